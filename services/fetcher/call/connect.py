"""Connections: pools, name look-ups and the sockets, where addresses are guarded.

Addresses are checked where the socket is made, after the name was resolved, so no later answer of a name server, no
spelling of an address and no redirect leads into the own network. A name that has a private address beside public ones
is refused altogether: nothing that is meant to be public is called so. A proxy resolves names by itself; what it is
asked for is looked up here first.
"""

import asyncio
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import ClassVar
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from httpx_aiohttp import AiohttpTransport

from services.fetcher.call.departure import DEPARTURE
from shared.errors import SluiceError
from shared.specification.addresses import Address, Networks, is_public

_KEEP_ALIVE_SECONDS = 15
_NAMES_KEPT_SECONDS = 30
_LOOKUP_THREADS = 32

BLOCKED = "the name resolves to an address that is not public, nor in a network that this vendor may be in"


class Blocked(OSError):
    """The address that a name resolved to is not one that this vendor may have."""

    def __init__(self) -> None:
        super().__init__(BLOCKED)


class Gone(Exception):
    """The vendor has closed the kept connection; nothing was written to it, and it is kept no longer."""


class Late(SluiceError):
    """Connecting took so long that the permit counts no more; nothing was written, and the connection is kept."""


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


class GuardedNames(AbstractResolver):
    """Another resolver, whose every answer must be public, or in one of some networks."""

    def __init__(self, inner: AbstractResolver, networks: Networks) -> None:
        self._inner = inner
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; `Blocked` when one of them is neither."""
        found = await self._inner.resolve(host, port, family)
        if not all(_may_be_called(one["host"], self._networks) for one in found):
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
    """Pools of connections: for public addresses only, for vendors that may be in the `private` networks, too, and both
    for each proxy."""

    def __init__(self, resolver: AbstractResolver | None, private: Networks) -> None:
        self._resolver = resolver or Resolver()
        self._private = private
        self._pools: dict[tuple[str, bool], AiohttpTransport] = {}

    def pool(self, egress: str, private: bool) -> AiohttpTransport:
        """The pool for an egress, `direct` or a proxy's URL."""
        pool = self._pools.get((egress, private))
        if pool is None:
            proxy = None if egress == "direct" else httpx.Proxy(egress)
            pool = AiohttpTransport(client=self._session(private), proxy=proxy)
            self._pools[egress, private] = pool
        return pool

    async def check_name(self, host: str, private: bool, within_seconds: float) -> None:
        """Refuse to ask a proxy for a name of the own network. What may be private may be known to the proxy alone, so
        nothing stops it that is not found here, or not in time.

        Raises:
            Blocked: one of its addresses is not one that this vendor may have.
            OSError: a name that must be public cannot be looked up here, so nothing is known of it.
            ConnectionTimeoutError: such a name was not looked up in time.
        """
        try:
            async with asyncio.timeout(within_seconds):
                await self._names(private).resolve(host)
        except TimeoutError:
            if not private:
                raise aiohttp.ConnectionTimeoutError from None
        except socket.gaierror:
            if not private:
                raise

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
        await self._resolver.close()

    def _names(self, private: bool) -> GuardedNames:
        return GuardedNames(self._resolver, self._networks(private))

    def _networks(self, private: bool) -> Networks:
        return self._private if private else ()

    def _session(self, private: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            ttl_dns_cache=_NAMES_KEPT_SECONDS,
            resolver=self._names(private),
            socket_factory=partial(_guarded_socket, self._networks(private)),
        )
        handler: type[ResponseHandler] = _ResponseHandler
        connector._factory = partial(handler, loop=asyncio.get_running_loop())
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_left)
        session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
            request_class=_Request,
        )
        session._retry_connection = False  # it would write again what the vendor may have read, and without a permit
        return session


class _Request(aiohttp.ClientRequest):
    """Looks before it writes: a kept connection that has something to read has come to its end, although the event loop
    may not have noticed yet; and a permit does not last for ever."""

    _used: ClassVar[WeakSet[object]] = WeakSet()

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Write the request.

        Raises:
            Gone: it was not written, as the connection is gone.
            Late: it was not written, as it needs another permit. It may leave by the same connection then.
        """
        if conn.protocol in self._used and _is_readable(conn.transport):
            raise Gone
        self._used.add(conn.protocol)
        if not DEPARTURE.get().is_kept:
            conn.release()
            raise Late
        return await super().send(conn)


class _ResponseHandler(ResponseHandler):
    """Passes an error of the connection to the reader of an unfinished body. On an error in the framing of the body,
    aiohttp closes the connection, but the reader of the body would wait for ever."""

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the connection, and the body that is being read from it."""
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(aiohttp.ClientPayloadError(str(exc)))


def _is_readable(transport: asyncio.Transport | None) -> bool:
    under = transport.get_extra_info("socket") if transport else None
    if under is None or under.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(under.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def _left(session: aiohttp.ClientSession, context: object, sent: object) -> None:
    DEPARTURE.get().left()


def _may_be_called(text: str, networks: Networks) -> bool:
    return _is_public(text) or any(_address(text) in network for network in networks)


def _is_public(text: str) -> bool:
    return is_public(_address(text))


def _address(text: str) -> Address:
    return ip_address(text.split("%", 1)[0])


def _guarded_socket(networks: Networks, info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a resolved address, if that may be called: the last moment before the connection."""
    if not _may_be_called(str(info[4][0]), networks):
        raise Blocked
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made
