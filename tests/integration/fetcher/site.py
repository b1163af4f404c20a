"""A vendor that misbehaves on purpose, on a real socket: each path is one way to answer."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import unquote, unquote_plus

Act = Callable[["Site", asyncio.StreamWriter, str], Awaitable[None]]

GZIP = "content-encoding: gzip\r\n"


class Free:
    """A permit where nothing is agreed: a call may leave whenever it wants."""

    @property
    def is_kept(self) -> bool:
        """It never grows old."""
        return True

    @property
    def counts(self) -> bool:
        """As long as it is kept."""
        return self.is_kept

    def left(self) -> None:
        """Nobody counts."""

    async def again(self) -> None:
        """At once."""


FREE = Free()


class Site:
    """Counts connections and keeps every request's head."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[str] = []
        self.closing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Drop everybody."""
        assert self._server is not None
        self.closing.set()
        self._server.close()
        for writer in list(self._open):
            writer.close()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """Those that nobody has closed."""
        return len(self._open)

    def end_connections(self) -> None:
        """Close what is kept, at once: the client's event loop has not noticed when this returns."""
        for writer in self._open:
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    async def pause(self, seconds: float) -> None:
        """Let the caller wait, but not longer than the test."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                method, target, _ = head.split(" ", 2)
                path, _, query = target.partition("?")
                act = ACTS.get(method if method == "CONNECT" else path, _page)
                await act(self, writer, query)
        self._open.discard(writer)
        writer.close()


def _answer(body: bytes, headers: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


async def _page(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(b'{"items": []}', "Content-Type: application/json\r\nLink: <a>\r\nLink: <b>\r\n"))


async def _gzip(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(gzip.compress(b"one,") + gzip.compress(b"two"), GZIP))


async def _hang(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    await site.closing.wait()


async def _stall(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstart")
    await site.closing.wait()


async def _drip(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not site.closing.is_set() and not writer.is_closing():
        writer.write(b".")
        await site.pause(0.02)


async def _cut_length(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstart")
    writer.close()


async def _cut_chunks(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nstart\r\n")
    writer.close()


async def _bad_chunks(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nstart\r\n")
    await writer.drain()
    await site.pause(0.05)
    writer.write(b"zz\r\n")
    await site.closing.wait()


async def _cut_gzip(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(gzip.compress(bytes(range(256)))[:-20], GZIP))


async def _bad_gzip(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(b"<html>", GZIP))


async def _bomb(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(gzip.compress(bytes(20 * 1024**2)), GZIP))


async def _crowd(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(gzip.compress(b"[" + b"{}," * 999_999 + b"{}]"), GZIP))


async def _endless(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def _declared(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nstart")
    await site.closing.wait()


async def _brotli(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(b"x", "content-encoding: br\r\n"))


async def _empty(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(f"HTTP/1.1 204 No Content\r\n{GZIP}\r\n".encode())


async def _close(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.close()


async def _close_later(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    await site.pause(0.05)
    writer.close()


async def _reset(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    """The connection ends without a farewell."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def _rubbish(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def _redirect(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    writer.write(_answer(b"moved", f"location: {unquote(query)}\r\n", "302 Found"))


async def _status(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    """Any status, with a body of unknown length where the status allows one."""
    status, _, body = unquote_plus(query.partition("&")[0].removeprefix("says=")).partition(",")
    if status == "204":
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return
    head = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = f"{len(body):x}\r\n{body}\r\n" if body else ""
    writer.write(f"{head}{chunk}0\r\n\r\n".encode())


async def _linked(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    link = unquote_plus(query.partition("&")[0].removeprefix("link="))
    writer.write(_answer(b'{"items": [1]}', f"content-type: application/json\r\nlink: {link}\r\n"))


async def _refuse(site: Site, writer: asyncio.StreamWriter, query: str) -> None:
    """As a proxy that lets nobody through."""
    writer.write(_answer(b"no", "", "403 Forbidden"))


ACTS: dict[str, Act] = {
    "CONNECT": _refuse,
    "/linked": _linked,
    "/gzip": _gzip,
    "/hang": _hang,
    "/stall": _stall,
    "/drip": _drip,
    "/cut-length": _cut_length,
    "/cut-chunks": _cut_chunks,
    "/bad-chunks": _bad_chunks,
    "/cut-gzip": _cut_gzip,
    "/bad-gzip": _bad_gzip,
    "/bomb": _bomb,
    "/crowd": _crowd,
    "/endless": _endless,
    "/declared": _declared,
    "/brotli": _brotli,
    "/empty": _empty,
    "/close": _close,
    "/close-later": _close_later,
    "/reset": _reset,
    "/rubbish": _rubbish,
    "/redirect": _redirect,
    "/status": _status,
}
