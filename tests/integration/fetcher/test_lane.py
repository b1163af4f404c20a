"""The lane of a vendor that nobody has configured, not yet or not any more."""

from pathlib import Path
from typing import Any

import pytest

from services.fetcher.app import build
from services.fetcher.lanes import lane
from services.fetcher.settings import Settings
from shared.events.catalogue import FETCH_REQUESTED, VENDORS
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing, tombstone
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import configured
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place


def wanted(vendor: str = "v") -> Outgoing:
    event = FetchRequested(
        task_id=new_id(), job_id=new_id(), number=0, vendor=vendor, call=Call(), processing=Processing(source="s")
    )
    return outgoing(FETCH_REQUESTED, event.task_id, event)


async def test_calls_of_an_unknown_vendor_wait_for_its_configuration_but_not_for_ever(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("fetcher.dead")

    def states() -> list[Any]:
        return [event["state"] for event in tasks.of_type("task.changed")]

    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([wanted()])
        await producer.send([configured(site)])
        await eventually(lambda: "stored" in states(), 30)
        assert not dead.values
    monkeypatch.setattr(lane, "_CONFIGURATION_SECONDS", 0.3)
    async with running("fetcher", Settings, build, topics, payloads) as fetcher:
        await producer.send([tombstone(VENDORS, "v")])

        async def is_gone() -> bool:
            async with fetcher.database.transaction() as tx:
                return not await tx.fetchval("SELECT count(*) FROM vendors")

        await eventually(is_gone, 30)
        await producer.send([wanted()])
        [letter] = await eventually(lambda: dead.values, 30)
        assert letter["reason"] == "config_missing"
        await eventually(lambda: "dead" in states())


async def test_a_vendor_that_an_older_release_wrote_down_otherwise_harms_no_other(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site, database_for: DatabaseFor
) -> None:
    tasks = await reader_for("tasks.events")
    async with (await database_for("fetcher")).transaction() as tx:
        await tx.execute("INSERT INTO vendors (id, document) VALUES ('old', $1)", b'{"vendor": "old", "since": "x"}')
    old, good = wanted("old"), wanted()
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site), old, good])
        await eventually(lambda: "stored" in [event["state"] for event in tasks.of_type("task.changed")])
    assert {event["task_id"] for event in tasks.of_type("task.changed")} == {good.key}
