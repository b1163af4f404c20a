"""Fixtures: the embedded stack, a place for each test, open databases, producers and consumers."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from infra.local.descriptors import raise_descriptor_limit
from infra.local.errors import StackError
from infra.local.ports import GIVEN_PORTS, ports_given
from infra.local.stack import Addresses
from shared.database.pool import Database
from shared.messaging.producer import Producer
from tests.integration.fetcher.site import Site
from tests.support import stack
from tests.support.proxy import Proxy
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

DatabaseFor = Callable[[str], Awaitable[Database]]
ReaderFor = Callable[[str], Awaitable[TopicReader]]

_WORKER_BYTES = 1.5 * 1024**3
"""A process that runs tests, with its servers and the services that it starts."""
_MOST_WORKERS = 6


def pytest_xdist_auto_num_workers() -> int:
    """Three processes for two processors, if there is memory for them: a third of the time a test waits for servers."""
    room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _WORKER_BYTES
    return max(1, min((os.cpu_count() or 1) * 3 // 2, int(room), _MOST_WORKERS))


def pytest_configure() -> None:
    """Nothing is judged by its speed. Tracebacks in the logs of what runs inside of tests are plain: to draw one nicely
    takes a third of a second."""
    raise_descriptor_limit()
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ[GIVEN_PORTS] = _ports_of(worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any-machine")
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])


def _ports_of(worker: str, processes: int) -> str:
    """Each process that runs tests has ports of its own: another one could take a port that was chosen and is not
    listened on yet."""
    ports, number = ports_given(), int(worker.removeprefix("gw"))
    share = ports[number * len(ports) // processes : (number + 1) * len(ports) // processes]
    return f"{share[0]}-{share[-1]}"


@pytest.fixture(scope="session")
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """Broker and Postgres, started once; they go on running for the next run until `make stop`."""
    try:
        found = stack.start()
    except StackError as error:
        request.session.shouldstop = str(error)
        raise
    asyncio.run(stack.clear(found))
    asyncio.run(stack.make_template(found))
    return found


@pytest.fixture
async def place(addresses: Addresses) -> AsyncIterator[Place]:
    """An empty database and a topic prefix of the test's own."""
    made = await stack.make_place(addresses)
    yield made
    await stack.drop_place(made)


@pytest.fixture
async def topics(place: Place) -> AsyncIterator[Place]:
    """The same, with all topics created."""
    async with stack.own_topics(place):
        yield place


@pytest.fixture
async def to_postgres(place: Place) -> AsyncIterator[Proxy]:
    """The way to Postgres, which a test may cut."""
    proxy = Proxy.to(place.admin_url)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def database_for(place: Place) -> AsyncIterator[DatabaseFor]:
    """Opens the database of a service, as that service's role."""
    opened: list[Database] = []

    async def open_database(service: str) -> Database:
        schema = service.replace("-", "_")
        database = Database(place.database_url().replace("{service}", schema), schema=schema)
        await database.open()
        opened.append(database)
        return database

    yield open_database
    for database in opened:
        await database.close()


@pytest.fixture
async def producer(topics: Place) -> AsyncIterator[Producer]:
    """A producer to the test's topics."""
    made = Producer(topics.kafka, prefix=topics.prefix)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def reader_for(topics: Place) -> AsyncIterator[ReaderFor]:
    """Opens readers that see everything a topic has carried since the test began."""
    opened: list[TopicReader] = []

    async def open_reader(topic: str) -> TopicReader:
        reader = TopicReader(topics.kafka, f"{topics.prefix}.{topic}", since=topics.made_at)
        await reader.open()
        opened.append(reader)
        return reader

    yield open_reader
    for reader in opened:
        await reader.close()


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    """A folder for the payload store."""
    folder = tmp_path / "payloads"
    folder.mkdir()
    return folder


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A vendor on a real socket."""
    made = Site()
    await made.open()
    yield made
    await made.close()
