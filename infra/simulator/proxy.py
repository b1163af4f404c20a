"""Forward proxies that leave from an address of their own, so that a vendor tells their clients apart.

Any loopback address is there to leave from on Linux: 127.0.0.2 and so on. Each request gets a connection of its own.
"""

import asyncio
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from infra.simulator.settings import Settings
from infra.simulator.wire import Answer, Request, json_answer, problem

_PIECE_BYTES = 65_536
_HOP_HEADERS = ("connection:", "proxy-connection:", "proxy-authorization:")


class ProxyConfig(Settings):
    """One proxy."""

    address: str = Field(default="127.0.0.2", pattern=r"^127\.\d+\.\d+\.\d+$")
    """The address that its requests come from."""
    answers: Literal["honest", "refuse", "hang", "drop"] = "honest"
    """`refuse`: 403 by the proxy itself; `hang`: no answer; `drop`: the connection just closes."""


class Proxy:
    """A proxy at work."""

    def __init__(self, config: ProxyConfig) -> None:
        self.config = config
        self.requests = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str = "127.0.0.1") -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, host, 0)

    async def close(self) -> None:
        """Cut all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def report(self) -> dict[str, object]:
        """Where it is, where it leaves from, and how many requests it was asked for."""
        return {"url": self.url, **self.config.model_dump(), "requests": self.requests}

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                match self.config.answers:
                    case "refuse":
                        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    case "hang":
                        await reader.read()
                    case "honest":
                        await self._pass_on(head, reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = line.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            upstream, up = await asyncio.open_connection(
                parts.hostname, parts.port or 80, local_addr=(self.config.address, 0)
            )
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                kept = [field for field in fields if not field.lower().startswith(_HOP_HEADERS)]
                place = parts._replace(scheme="", netloc="").geturl() or "/"
                lines = [f"{method} {place} {version}", *kept, "Connection: close"]
                up.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
            await self._pipe_both(reader, up, upstream, writer)
        finally:
            up.close()

    async def _pipe_both(
        self,
        reader: asyncio.StreamReader,
        up: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Until the vendor is done; what the client still sends then is of no use."""
        sending = asyncio.ensure_future(_pipe(reader, up))
        try:
            await _pipe(upstream, writer)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


class Proxies:
    """All proxies by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Proxy] = {}

    async def close(self) -> None:
        """Close all of them."""
        for proxy in self._by_name.values():
            await proxy.close()

    async def answer(self, request: Request, place: list[str]) -> Answer:
        """Answer below /_control/proxies."""
        match request.method, place:
            case "GET", []:
                return json_answer({name: proxy.report() for name, proxy in self._by_name.items()})
            case "PUT", [name]:
                return await self._put(name, request.body)
            case _:
                return problem(404, "no such control")

    async def _put(self, name: str, body: bytes) -> Answer:
        try:
            config = ProxyConfig.model_validate_json(body or b"{}")
        except ValidationError as error:
            return Answer(422, error.json(include_url=False).encode())
        if name in self._by_name:
            await self._by_name.pop(name).close()
        proxy = Proxy(config)
        await proxy.open()
        self._by_name[name] = proxy
        return json_answer(proxy.report())


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
