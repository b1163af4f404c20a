"""Connections: pools and sockets.

Addresses are checked where the socket is made, after the name was resolved, so no later answer of a name server, no
spelling of an address and no redirect leads into the own network. A proxy resolves names by itself, so each name that
it is given is looked up and checked here first.
"""

import asyncio
import select
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any, ClassVar
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from httpx_aiohttp import AiohttpTransport

from services.fetcher.call.departure import DEPARTURE
from services.fetcher.call.names import Blocked, GuardedNames, Resolver, may_be_called
from shared.errors import SluiceError
from shared.specification.addresses import Networks

_KEEP_ALIVE_SECONDS = 15
_NAMES_KEPT_SECONDS = 30


class Gone(Exception):
    """The vendor has closed the kept connection; nothing was written to it, and it is kept no longer."""


class Late(SluiceError):
    """Connecting took so long that the permit counts no more; nothing was written, and the connection is kept."""


class Pools:
    """Pools of connections: for public addresses only, for vendors that may be in the `private` networks, too, and both
    for each proxy. Ad-hoc vendors have a pool and a resolver of their own: jobs may name any number of hosts whose
    look-ups hang, and configured vendors do not wait for those."""

    def __init__(self, resolver: AbstractResolver | None, private: Networks) -> None:
        self._resolver = resolver or Resolver()
        self._ad_hoc_resolver = resolver or Resolver()
        self._private = private
        self._pools: dict[tuple[str, bool, bool], AiohttpTransport] = {}

    def pool(self, egress: str, private: bool, ad_hoc: bool = False) -> AiohttpTransport:
        """The pool for an egress, `direct` or a proxy's URL."""
        pool = self._pools.get((egress, private, ad_hoc))
        if pool is None:
            proxy = None if egress == "direct" else httpx.Proxy(egress)
            pool = AiohttpTransport(client=self._session(private, ad_hoc), proxy=proxy)
            self._pools[egress, private, ad_hoc] = pool
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
                await GuardedNames(self._resolver, self._networks(private)).resolve(host)
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
        await self._ad_hoc_resolver.close()

    def _networks(self, private: bool) -> Networks:
        return self._private if private else ()

    def _session(self, private: bool, ad_hoc: bool) -> aiohttp.ClientSession:
        resolver = self._ad_hoc_resolver if ad_hoc else self._resolver
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            ttl_dns_cache=_NAMES_KEPT_SECONDS,
            resolver=GuardedNames(resolver, self._networks(private)),
            socket_factory=partial(_guarded_socket, self._networks(private)),
        )
        handler: type[ResponseHandler] = _ResponseHandler
        connector._factory = partial(handler, loop=asyncio.get_running_loop())
        session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_Request,
        )
        session._retry_connection = False  # it would write again what the vendor may have read, and without a permit
        return session


class _Request(aiohttp.ClientRequest):
    """Looks before it writes: a kept connection that has something to read has come to its end, although the event loop
    may not have noticed yet; and a permit does not last for ever.

    It has left when it is written, and not before: a body may be written by a task of its own, which the event loop
    comes to later, and the vendor counts from then.
    """

    _used: ClassVar[WeakSet[object]] = WeakSet()
    _has_writer = False

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
        DEPARTURE.get().leaves()
        try:
            return await super().send(conn)
        finally:
            if not self._has_writer:
                DEPARTURE.get().left()

    def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> Coroutine[Any, Any, None]:
        """What writes headers and body."""
        self._has_writer = True
        return self._leave(writer, conn, content_length)

    async def _leave(self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None) -> None:
        DEPARTURE.get().left()
        await super().write_bytes(writer, conn, content_length)


class _ResponseHandler(ResponseHandler):
    """Passes an error of the connection to the reader of an unfinished body. On an error in the framing of the body,
    aiohttp closes the connection, but the reader of the body would wait for ever."""

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the connection, and the body that is being read from it."""
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            is_silent = isinstance(exc, aiohttp.SocketTimeoutError)
            self._payload.set_exception(exc if is_silent else aiohttp.ClientPayloadError(str(exc)))


def _is_readable(transport: asyncio.Transport | None) -> bool:
    under = transport.get_extra_info("socket") if transport else None
    if under is None or under.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(under.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _guarded_socket(networks: Networks, info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a resolved address, if that may be called: the last moment before the connection."""
    if not may_be_called(str(info[4][0]), networks):
        raise Blocked
    made = socket.socket(family=info[0], type=info[1], proto=info[2])
    made.setblocking(False)
    return made
