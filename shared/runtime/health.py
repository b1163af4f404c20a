"""Health, readiness and metrics over HTTP, from a thread of its own, so that a blocked event loop shows.

`/healthz`: the process lives (its event loop turned within the last half minute). `/readyz`: it can work: the
database and the broker answer, no consumer waits or stands still. `/metrics`: Prometheus.

Each connection is answered on a thread of its own, and closed when it says nothing for a while: a silent client must
neither hide the process from its monitoring nor delay its end.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from shared.errors import Unavailable
from shared.runtime.clock import monotonic

ALIVE_SECONDS = 30.0
_STOP_SECONDS = 0.05
"""Closing waits so long at most, and the event loop with it."""

_SILENT_SECONDS = 5.0
_MOST_CONNECTIONS = 32
"""That are open at once; a few scrapers and probes are expected."""

Check = Callable[[], dict[str, Any]]
"""Gives the state of the process; every entry under `problems` makes it not ready."""


class Heartbeat:
    """When the event loop last turned."""

    def __init__(self) -> None:
        self._at = monotonic()

    def beat(self) -> None:
        """The loop is turning."""
        self._at = monotonic()

    @property
    def age_seconds(self) -> float:
        """For how long it has not."""
        return monotonic() - self._at


class HealthServer:
    """Serves the three pages until closed."""

    def __init__(
        self, host: str, port: int, heartbeat: Heartbeat, check: Check, *, silent_seconds: float = _SILENT_SECONDS
    ) -> None:
        """A connection that says nothing for `silent_seconds` is closed."""
        self._heartbeat = heartbeat
        self._check = check
        self._metrics = make_wsgi_app()
        try:
            handler = type("_Quiet", (_Quiet,), {"timeout": silent_seconds})
            self._server = make_server(host, port, self._answer, _Server, handler)
        except OSError as error:
            raise Unavailable(f"cannot listen at {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[_STOP_SECONDS], name="health", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                found: Iterable[bytes] = self._metrics(environ, start)
                return found
            case "/healthz":
                age = self._heartbeat.age_seconds
                return _json(start, age < ALIVE_SECONDS, {"event_loop_age_seconds": round(age, 3)})
            case "/readyz":
                state = self._check()
                return _json(start, not state["problems"], state)
            case _:
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/healthz /readyz /metrics\n"]


def _json(start: Any, good: bool, state: dict[str, Any]) -> Iterable[bytes]:
    start("200 OK" if good else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps({"status": "ok" if good else "unavailable", **state}, default=str).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # a client that finds no room asks again after one second, three, seven …

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._room = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own; hung up on at once when there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """What runs on that thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone, or says nothing, is not worth a line in the log."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_bind(self) -> None:
        """As inherited, but for the look-up of this machine's name: the event loop would wait for DNS."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return
