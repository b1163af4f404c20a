"""The HTTP edge alone, and the whole gateway."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from infra.local.ports import free_port
from infra.local.stack import Addresses
from services.callback_gateway.app import build
from services.callback_gateway.configuration_cache import ConfigurationCache
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.follow import Following
from services.callback_gateway.http.new_jobs import NewJobs
from services.callback_gateway.http.server import HttpServer, build_api
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from tests.conftest import DatabaseFor
from tests.support import stack
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.signing import SECRET
from tests.support.stack import Place


@dataclass(frozen=True)
class Served:
    """A running HTTP edge."""

    http: httpx.AsyncClient
    port: int
    database: Database


ServeEdge = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session")
def standing(addresses: Addresses) -> Iterator[str]:
    """The prefix of topics that stay."""
    prefix = stack.make_name()
    asyncio.run(stack.make_topics(addresses.kafka, prefix))
    yield prefix
    asyncio.run(stack.drop_topics(addresses.kafka, prefix))


@pytest.fixture
async def topics(request: pytest.FixtureRequest, place: Place, standing: str) -> AsyncIterator[Place]:
    """The edge alone only produces: tests of it share topics. The whole gateway, and a test that names its topics, has
    its own."""
    named = inspect.signature(request.function).parameters
    if "serve_edge" in request.fixturenames and not {"gateway", "topics"} & {*named}:
        yield replace(place, prefix=standing)
    else:
        async with stack.own_topics(place):
            yield place


@asynccontextmanager
async def served(database: Database, producer: Producer, settings: Settings) -> AsyncIterator[Served]:
    outbound = Outbound(producer, database, settings.gateway_produce_seconds)
    outbound.note_spool(is_empty=True, writes=outbound.writes)
    payloads = PayloadStore(settings.payload_store)
    new_jobs, cache = NewJobs(database, outbound), ConfigurationCache(database)
    context = ApiContext(settings, database, outbound, cache, new_jobs, payloads, Following(database))
    server = HttpServer(build_api(context), "127.0.0.1", 0, settings.gateway_connections)
    task = asyncio.create_task(server.run())
    async with httpx.AsyncClient(base_url=server.address, timeout=20, trust_env=False) as http:
        await eventually(lambda: http.get("/openapi.json"))
        yield Served(http, int(server.address.rsplit(":", 1)[1]), database)
    server.stop()
    await task


@pytest.fixture
async def serve_edge(topics: Place, payloads: Path, database_for: DatabaseFor) -> AsyncIterator[ServeEdge]:
    """Starts edges with the producer and database that they are given; nobody consumes, so nobody is waited for."""
    async with AsyncExitStack() as exits:

        async def serve(producer: Producer, database: Database | None = None, **more: object) -> Served:
            settings = topics.settings(Settings, payloads, **{"gateway_apply_seconds": 0, **more})
            opened = database or await database_for("callback-gateway")
            return await exits.enter_async_context(served(opened, producer, settings))

        yield serve


@pytest.fixture
async def edge(serve_edge: ServeEdge, producer: Producer) -> Served:
    """The HTTP edge without consumers."""
    return await serve_edge(producer)


@pytest.fixture
def hook_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret that the hooks of these tests name."""
    monkeypatch.setenv("ACME_HOOK", SECRET)


@pytest.fixture
async def gateway(topics: Place, payloads: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The whole gateway."""
    port = free_port()
    async with (
        running("callback-gateway", Settings, build, topics, payloads, gateway_port=port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as http,
    ):
        await eventually(lambda: http.get("/jobs"))
        yield http
