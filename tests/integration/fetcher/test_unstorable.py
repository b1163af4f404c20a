"""What Postgres cannot store of one call's outcome holds back no other call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.fetcher.app import build
from services.fetcher.call.decide import RetryAt
from services.fetcher.call.outcome import Page, Tried, give_up, outcome_of
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.model import Claimed, Outcome
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.events.catalogue import FETCH_REQUESTED
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import claim, states, wanted
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import configured
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

LINK = "next_elsewhere: the vendor's link leads to http://a\0b"


def refused(call: Claimed) -> Outcome:
    return give_up(call, LINK, Tried(utc_now(), 0.1), utc_now())


def fetched(call: Claimed, **attempt: Any) -> Outcome:
    outcome = outcome_of(call, Page(None, None), Tried(utc_now(), 0.1, status=200), utc_now())
    assert outcome.attempt is not None
    return replace(outcome, attempt=outcome.attempt.model_copy(update=attempt))


def put_off(call: Claimed) -> Outcome:
    return outcome_of(call, RetryAt(utc_now(), "status_500"), Tried(utc_now(), 0.1, egress="a\0b"), utc_now())


async def settled(database_for: DatabaseFor, place: Place, made: list[Any]) -> tuple[list[str], list[str], list[str]]:
    """How the calls stand with these outcomes, what is noted of their attempts, and whose outcomes were settled."""
    database, fetcher_id = await database_for("fetcher"), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in made])
    settlement, over = Settlement(database, Producer(place.kafka, prefix=place.prefix), fetcher_id), list[str]()
    calls = sorted(await claim(database, fetcher_id), key=lambda call: call.id)
    for make, call in zip(made, calls, strict=True):
        settlement.add(make(call), lambda: over.append("over"))
    await settlement.write()
    stand = await states(database)
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT reason FROM attempts ORDER BY call_id")
    return [stand[call.id] for call in calls], [row["reason"] for row in rows], over


async def test_a_vendors_link_with_nul_is_told_in_the_attempts(place: Place, database_for: DatabaseFor) -> None:
    stand, reasons, over = await settled(database_for, place, [fetched, refused])
    assert stand == ["answered", "answered"]
    assert reasons == ["", LINK.replace("\0", "\ufffd")]
    assert len(over) == 2


@pytest.mark.parametrize("make", [lambda call: fetched(call, status=70_000), put_off], ids=["ended", "later"])
async def test_an_outcome_that_cannot_be_stored_ends_its_own_call_only(
    place: Place, database_for: DatabaseFor, make: Any
) -> None:
    stand, reasons, over = await settled(database_for, place, [fetched, make, fetched])
    assert stand == ["answered"] * 3
    assert reasons == ["", "unstorable_value: what came of the call cannot be stored", ""]
    assert len(over) == 3


def asked(vendor: str, **call: Any) -> Outgoing:
    event = FetchRequested(
        task_id=new_id(), job_id=new_id(), number=0, vendor=vendor, call=Call(**call), processing=Processing(source="s")
    )
    return outgoing(FETCH_REQUESTED, event.task_id, event)


async def test_a_page_whose_link_has_nul_stops_no_other_call(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("fetcher.dead")
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site), asked("v", url="http://a\0b/")])
        await eventually(lambda: dead.of_type("dead_letter"), 30)
        await producer.send([asked("v", path="/page") for _ in range(3)])
        await eventually(lambda: [one["state"] for one in tasks.of_type("task.changed")].count("stored") == 3, 30)
    [letter] = dead.of_type("dead_letter")
    assert letter["reason"] == "next_elsewhere"
