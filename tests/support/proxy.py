"""A piece of network between a service and a server, which a test can break."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Hands bytes on in both directions. While it is cut, they vanish, and every connection stays open: nothing but
    silence tells of it. A connection that has lost bytes is never whole again."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = host, port
        self._cut = asyncio.Event()
        self._lossy: set[asyncio.StreamWriter] = set()
        self._unheard: bytes | None = None
        self._deaf: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    def to(cls, url: str) -> Self:
        """Before the server of a URL."""
        server = urlsplit(url)
        return cls(server.hostname or "", server.port or 0)

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Drop all connections."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def cut(self) -> None:
        """From now on everything vanishes."""
        self._cut.set()
        self._lossy |= self._writers

    def mend(self) -> None:
        """New connections work again; those that were open stay silent."""
        self._cut.clear()

    def lose_answer_to(self, text: bytes) -> None:
        """The next request with this in it arrives and is answered, but its connection is gone before anybody hears."""
        self._unheard = text

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._cut.is_set():
                self._lossy.add(writer)
                await self._hand_on(reader, writer, writer)
                return
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._writers.add(far_writer)
            await asyncio.gather(self._hand_on(reader, far_writer, writer), self._hand_on(far_reader, writer, writer))
        except OSError:
            writer.transport.abort()

    async def _hand_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, near: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if writer is near and near in self._deaf:
                near.transport.abort()
                return
            if self._unheard and writer is not near and self._unheard in data:
                self._unheard = None
                self._deaf.add(near)
            if near not in self._lossy:
                writer.write(data)
                await writer.drain()
        if near not in self._lossy:
            with suppress(OSError):
                writer.close()
