"""No file descriptor is left, or no connection to Postgres: work waits, and nothing fails for it."""

import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest

from infra.local.ports import free_port
from infra.local.processes import Processes
from services.fetcher.call import make
from services.fetcher.call.make import CallMaker
from services.fetcher.call.transport import Transport
from services.fetcher.model import Ended, Later
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.payloads.store import PayloadStore
from tests.integration.fetcher.site import FREE, Site
from tests.integration.fetcher.site_calls import claimed
from tests.support.cluster import PROJECT, SERVICES
from tests.support.eventually import eventually
from tests.support.stack import Place

pytestmark = pytest.mark.chaos

STANDARD_STREAMS = 3
"""No other number is left, whatever is closed meanwhile."""


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of others")


@contextmanager
def no_descriptors(pid: int) -> Iterator[None]:
    """A process that may open nothing more."""
    if sys.platform != "linux":
        raise AssertionError("see linux_only")
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (STANDARD_STREAMS, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.fixture
async def maker(tmp_path: Path) -> AsyncIterator[CallMaker]:
    transport = Transport()
    yield CallMaker(transport, PayloadStore(tmp_path.as_uri()))
    await transport.close()


@linux_only
async def test_a_call_without_a_free_descriptor_counts_as_no_attempt(
    maker: CallMaker, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor gets no request."""
    monkeypatch.setattr(make, "_PUT_OFF_SECONDS", 0.0)
    call = replace(claimed(site, "200,{}"), repeatable=False)
    with no_descriptors(os.getpid()):
        outcome = await maker.make(call, FREE)
    assert isinstance(outcome, Later)
    assert (outcome.next_attempt, outcome.may_have_left, outcome.attempt) == (call.attempt, False, None)
    assert not site.heads
    assert isinstance(await maker.make(call, FREE), Ended)


@linux_only
async def test_a_gateway_without_descriptors_answers_again_when_it_has_some(topics: Place, tmp_path: Path) -> None:
    health, port = free_port(), free_port()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **topics.environment(tmp_path / "payloads")}
    environment |= {"SLUICE_GATEWAY_PORT": str(port), "SLUICE_HEALTH_PORT": str(health)}
    jobs = f"http://127.0.0.1:{port}/jobs"

    async def is_well() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            return (await client.get(jobs)).status_code == 200

    with Processes(tmp_path) as processes:
        processes.start("gateway", [sys.executable, "-m", SERVICES["callback-gateway"]], environment)
        await eventually(is_well, 40)
        with no_descriptors(processes.pid("gateway")), pytest.raises(httpx.TransportError):
            await is_well()
        await eventually(is_well, 30)
        assert processes.exit_codes("gateway") == []
        assert processes.alive("gateway")


async def test_a_server_that_takes_no_more_connections_is_waited_for(place: Place) -> None:
    owner = await asyncpg.connect(place.admin_url)
    database = Database(place.database_url().replace("{service}", "planner"), schema="planner")
    await database.open()
    await owner.execute(f'ALTER DATABASE "{place.database}" CONNECTION LIMIT 1')
    try:
        async with database.transaction() as held:
            with pytest.raises(Unavailable, match="TooManyConnections"):
                async with database.transaction():
                    pass
            assert await held.fetchval("SELECT 1") == 1
        await owner.execute(f'ALTER DATABASE "{place.database}" CONNECTION LIMIT -1')

        async def both() -> bool:
            async with database.transaction(), database.transaction():
                return True

        await eventually(both)
    finally:
        await database.close()
        await owner.close()
