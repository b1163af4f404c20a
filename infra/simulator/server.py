"""The simulator as a server: all vendors, their judge's door, and one listening socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from infra.simulator.config import SimulatorConfig
from infra.simulator.control import Vendors, answer_control, answer_truth
from infra.simulator.protocol import HttpConnection
from infra.simulator.wire import Answer, Delivery, Request, problem, render

_BACKLOG = 1_024


class Simulator:
    """Many vendors in one process."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.vendors = Vendors(config or SimulatorConfig())
        self._connections: set[HttpConnection] = set()

    @asynccontextmanager
    async def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen, and give the base URL; port 0 takes a free one. At the end all connections are cut."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HttpConnection(self._handle, self._connections), host, port, backlog=_BACKLOG
        )
        try:
            yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for connection in tuple(self._connections):
                connection.abort()
            await server.wait_closed()
            await self.vendors.close()

    def _handle(self, request: Request) -> Delivery | Coroutine[None, None, Delivery]:
        name, *rest = request.path[1:].split("/")
        segments = tuple(rest)
        if name == "_control":
            return self._control(request, segments)
        if name == "_truth":
            return self._tell_truth(request, segments)
        if name == "receive":
            return self._receive_webhook(request, segments)
        vendor = self.vendors.get(name)
        if vendor is None:
            return _plain(problem(404, f"no vendor {name!r}"))
        return vendor.receive(request, segments)

    def _receive_webhook(self, request: Request, segments: tuple[str, ...]) -> Delivery:
        receiver = self.vendors.receivers.get("/".join(segments))
        if receiver is None:
            return _plain(problem(404, "no such receiver"))
        return receiver.receive(request, wall=time.time())

    async def _control(self, request: Request, segments: tuple[str, ...]) -> Delivery:
        return _plain(await answer_control(self.vendors, request, segments))

    async def _tell_truth(self, request: Request, segments: tuple[str, ...]) -> Delivery:
        return _plain(await answer_truth(self.vendors, request, segments))


def _plain(answer: Answer) -> Delivery:
    return Delivery(render(answer, time.time()))
