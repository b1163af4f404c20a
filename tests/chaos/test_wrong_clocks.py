"""A machine's clock is wrong by an hour, or jumps: nothing that waits for a time is early or late."""

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path

import pytest

from services.fetcher.app import build as build_fetcher
from services.fetcher.settings import Settings as FetcherSettings
from services.planner.app import build as build_planner
from services.planner.settings import Settings as PlannerSettings
from shared.events.catalogue import FETCH_REQUESTED, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.runtime import clock
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.site import Site
from tests.integration.planner.invocations import released
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

pytestmark = pytest.mark.chaos

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LEAST_PAUSE_SECONDS = 1.0
DEADLINE = HOUR
"""Of the vendor jobs in `released`."""


class MachineClock(datetime):
    """What the machine takes for the time of day."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "MachineClock":
        return super().now(tz) + cls.ahead


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> type[MachineClock]:
    monkeypatch.setattr(clock, "datetime", MachineClock)
    monkeypatch.setattr(MachineClock, "ahead", timedelta())
    return MachineClock


async def test_a_vendor_rests_as_long_as_it_asked_for_wherever_the_clock_stands(
    topics: Place, producer: Producer, payloads: Path, machine: type[MachineClock]
) -> None:
    """Late by an hour, no pause would be kept; early by an hour, each would last for an hour."""
    site = Site()
    await site.open()
    vendor = {"vendor": "v", "base_url": site.url, "network": {"private_addresses": "allow"}}
    call = Call(path="/status", query={"says": "429"})
    wanted = FetchRequested(
        task_id=new_id(), job_id=new_id(), number=0, vendor="v", call=call, processing=Processing(source="s")
    )
    machine.ahead = HOUR
    async with running("fetcher", FetcherSettings, build_fetcher, topics, payloads) as fetcher:
        await producer.send([outgoing(VENDORS, "v", VendorConfigured(vendor=Vendor.model_validate(vendor)))])
        await producer.send([outgoing(FETCH_REQUESTED, wanted.task_id, wanted)])
        await eventually(lambda: len(site.heads) == 2, 30)
        machine.ahead = -HOUR
        await eventually(lambda: len(site.heads) == 4, 30)

        async def began() -> list[datetime]:
            async with fetcher.database.transaction() as tx:
                rows = await tx.fetch("SELECT started_at FROM attempts ORDER BY started_at")
            return [row["started_at"] for row in rows] if len(rows) >= 4 else []

        times = await eventually(began, 30)
    await site.close()
    assert abs(times[0] - datetime.now(UTC)) < MINUTE
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert min(gaps) >= LEAST_PAUSE_SECONDS, gaps


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_a_deadline_is_as_far_away_as_was_asked_for(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    database_for: DatabaseFor,
    payloads: Path,
    machine: type[MachineClock],
    ahead: timedelta,
) -> None:
    """Timers fire by Postgres' clock: by another one, vendor jobs would fail at once, or an hour late."""
    fetches, timers = await reader_for("fetch.requested"), await reader_for("timers.requested")
    machine.ahead = ahead
    async with running("planner", PlannerSettings, build_planner, topics, payloads):
        await released(producer, await database_for("planner"), fetches, new_id())
        await eventually(lambda: len(timers.values) == 2, 30)
    for timer in timers.values:
        assert abs(datetime.fromisoformat(timer["due_at"]) - datetime.now(UTC) - DEADLINE) < MINUTE
