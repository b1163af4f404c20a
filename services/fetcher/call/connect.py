"""Connections: pools, name look-ups and the sockets, where addresses are guarded.

Addresses are checked where the socket is made, after the name was resolved, so no later answer of a name server, no
spelling of an address and no redirect leads into the own network. A name that has a private address beside public ones
is refused altogether: nothing that is meant to be public is called so. A proxy resolves names by itself; what it is
asked for is looked up here first.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from ipaddress import ip_address

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from shared.specification.addresses import is_public

_KEEP_ALIVE_SECONDS = 15
_NAMES_KEPT_SECONDS = 30
_LOOKUP_THREADS = 32


LEFT: ContextVar[Callable[[], None]] = ContextVar("left", default=lambda: None)
"""What to call when a request was written to its socket, for the calls of this context: also each time that the library
sends a request again because a kept connection was gone."""


class Blocked(OSError):
    """The address that a name resolved to is not public."""

    def __init__(self) -> None:
        super().__init__("the name resolves to an address that is not public")


class Resolver(AbstractResolver):
    """Looks names up on threads of its own: a name server that hangs delays nobody's files, and other names little."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; `OSError` when there are none."""
        look_up = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError:
            raise OSError("the host is no name that could be looked up") from None
        return [_resolved(host, port, info) for info in found]

    async def close(self) -> None:
        """Start no more look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class PublicNames(AbstractResolver):
    """Another resolver, whose every answer must be public."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; `Blocked` when one of them is not public."""
        found = await self._inner.resolve(host, port, family)
        if not all(_is_public(one["host"]) for one in found):
            raise Blocked
        return found

    async def close(self) -> None:
        """The other one belongs to somebody else."""


def _resolved(host: str, port: int, info: aiohttp.AddrInfoType) -> ResolveResult:
    family, _, protocol, _, address = info
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


class Pools:
    """Pools of connections: for public addresses only, for vendors that may be private, and both for each proxy."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or Resolver()
        self._pools: dict[tuple[str, bool], AiohttpTransport] = {}

    def pool(self, egress: str, private: bool) -> AiohttpTransport:
        """The pool for an egress, `direct` or a proxy's URL."""
        pool = self._pools.get((egress, private))
        if pool is None:
            proxy = None if egress == "direct" else httpx.Proxy(egress)
            pool = AiohttpTransport(client=self._session(private), proxy=proxy)
            self._pools[egress, private] = pool
        return pool

    async def check_name(self, host: str) -> None:
        """Refuse to ask a proxy for a name of the own network.

        Raises:
            Blocked: one of its addresses is not public.
            OSError: the name cannot be looked up here, so nothing is known of it.
        """
        await PublicNames(self._resolver).resolve(host)

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
        await self._resolver.close()

    def _session(self, private: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            ttl_dns_cache=_NAMES_KEPT_SECONDS,
            resolver=self._resolver if private else PublicNames(self._resolver),
            socket_factory=_any_socket if private else _public_socket,
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_left)
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
        )


async def _left(session: aiohttp.ClientSession, context: object, sent: object) -> None:
    LEFT.get()()


def _is_public(text: str) -> bool:
    return is_public(ip_address(text.split("%", 1)[0]))


def _any_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made


def _public_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a resolved address, if that is public: the last moment before the connection."""
    if not _is_public(str(info[4][0])):
        raise Blocked
    return _any_socket(info)
