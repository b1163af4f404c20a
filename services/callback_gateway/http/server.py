"""The HTTP server: a worker that lives beside the consumers, in the same event loop."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from time import perf_counter

import uvicorn
from fastapi import Depends, FastAPI
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.callback_gateway.http import problems
from services.callback_gateway.http.access import Access
from services.callback_gateway.http.body_budget import BodyBudget
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.description import describe
from services.callback_gateway.http.fast_routes import direct, in_front
from services.callback_gateway.http.parameters import check_parameters
from services.callback_gateway.http.protocol import BoundedProtocol
from services.callback_gateway.http.routes import (
    answers,
    callbacks,
    configuration,
    dead_letters,
    events,
    jobs,
    schedules,
    webhooks,
)
from services.callback_gateway.http.submission import submit_job
from services.callback_gateway.keys.keyring import Keyring
from services.callback_gateway.keys.pace import Pace
from services.callback_gateway.metrics import HTTP_REQUESTS, HTTP_SECONDS
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic

log = get_logger(__name__)


def build_api(context: ApiContext) -> ASGIApp:
    """All routes, and their description at `/openapi.json`."""
    app = FastAPI(
        title="Sluice",
        version="0.1.0",
        summary="Jobs that move data in and out of other people's APIs",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_parameters)],
    )
    app.state.context = context
    problems.install(app)
    for one in (events, jobs, answers, schedules):
        app.include_router(one.router)
    for kind in configuration.KINDS:
        app.include_router(configuration.routes(kind))
    for one in (dead_letters, callbacks):
        app.include_router(one.router)
    describe(app, webhooks.DESCRIPTION)
    return _guarded(context, app)


def _guarded(context: ApiContext, app: FastAPI) -> ASGIApp:
    """Behind the door, with the fast routes in front, within the budget of bodies."""
    settings = context.settings
    keyring, policy = Keyring(context.database), settings.gateway_api_keys
    pace = Pace(settings.gateway_key_rate, settings.gateway_key_burst, monotonic)
    app.add_middleware(Access, keyring=keyring, policy=policy, pace=pace)
    new_jobs = Access(direct("/jobs", partial(submit_job, context)), keyring, policy, pace)
    api = in_front(direct(webhooks.ROUTE, webhooks.Webhooks(context).answer), new_jobs, app)
    return BodyBudget(api, max(settings.gateway_held_bytes, settings.gateway_body_bytes))


class Measured:
    """Counts and times requests by the pattern of their route, so that labels stay few."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                requests, seconds = _instruments(getattr(scope.get("route"), "path", "other"), message["status"])
                requests.inc()
                seconds.observe(perf_counter() - began)
            await send(message)

        await self._app(scope, receive, measured)


@lru_cache(maxsize=1024)
def _instruments(route: str, status: int) -> tuple[Counter, Histogram]:
    return HTTP_REQUESTS.labels(route=route, status=str(status)), HTTP_SECONDS.labels(route=route)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, which stops its parts in order."""
        yield


class HttpServer:
    """Runs the API until stopped; open streams are cut after a grace period."""

    name = "http"

    def __init__(self, app: ASGIApp, host: str, port: int, most_connections: int) -> None:
        config = uvicorn.Config(
            Measured(app),
            host=host,
            port=port,
            http=BoundedProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            limit_concurrency=most_connections,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
        )
        self._host = host
        self._server = _Server(config)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # By this protocol asyncio knows that answers are to leave at once: else they wait 40 ms for the client's sign.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            raise Unavailable(f"cannot listen at {host}:{port}: {error.strerror}") from error

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._socket.getsockname()[1]}"

    async def run(self) -> None:
        """Serve until stopped."""
        log.info("http.listening", address=self.address)
        await self._server.serve([self._socket])

    def stop(self) -> None:
        """End soon."""
        self._server.should_exit = True
