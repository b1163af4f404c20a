"""Calls that another release has written down, in the table that all fetchers share."""

from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.fetcher.app import build
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Database
from shared.events.envelope import Incoming
from shared.events.tasks import FetchRequested
from shared.ids import new_id
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import claim, states, submit, wanted
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import configured
from tests.integration.fetcher.takeovers import take_over
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place


async def write_down(database: Database, wanted: Incoming[FetchRequested], **fields: Any) -> UUID:
    """A call as another release would have written it."""
    return await write_bytes(database, wanted, orjson.dumps(wanted.event.model_dump(mode="json") | fields))


async def write_bytes(database: Database, wanted: Incoming[FetchRequested], request: bytes) -> UUID:
    """A call whose row has these bytes."""
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted])
        await tx.execute("UPDATE calls SET request = $2 WHERE id = $1", wanted.id, request)
    return wanted.id


async def test_what_a_later_release_added_to_a_call_is_passed_over(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    await write_down(database, wanted(new_id()), retry={"attempts": 3, "jitter": "none"}, later={"is": 1})
    [call] = await claim(database, new_id())
    assert call.request.retry is not None
    assert (call.request.retry.attempts, call.unreadable) == (3, "")


async def test_of_a_call_that_cannot_be_read_all_fields_are_known_that_can_be(database_for: DatabaseFor) -> None:
    database, known = await database_for("fetcher"), wanted(new_id())
    await write_down(database, known, purpose="teleport", call=7)
    damaged = await write_bytes(database, wanted(new_id()), b"{")
    calls = {call.id: call for call in await claim(database, new_id())}
    assert calls[known.id].request == known.event.model_copy(update={"call": calls[known.id].request.call})
    assert calls[known.id].unreadable.startswith("schema_invalid: ")
    assert calls[damaged].unreadable.startswith("schema_invalid: ")


async def test_a_call_that_cannot_be_read_ends_and_its_vendors_other_calls_are_made(
    topics: Place, database_for: DatabaseFor, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("fetcher.dead")
    database, unread, good = await database_for("fetcher"), wanted(new_id()), wanted(new_id())
    await write_down(database, unread, purpose="teleport")
    async with database.transaction() as tx:
        await enqueue_calls(tx, [good])
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site)])
        await eventually(lambda: dead.values, 30)
        await eventually(lambda: ends(tasks.values).keys() >= {good.event.task_id, unread.event.task_id}, 30)
    assert ends(tasks.values) == {unread.event.task_id: "dead", good.event.task_id: "stored"}
    [letter] = dead.values
    assert (letter["reason"], letter["task_id"]) == ("schema_invalid", str(unread.event.task_id))
    assert len(site.heads) == 1


def ends(told: list[dict[str, Any]]) -> dict[UUID, str]:
    return {UUID(one["task_id"]): one["state"] for one in told if one["state"] in ("dead", "stored")}


@pytest.mark.parametrize("request_bytes", [b"{", b'{"purpose": "teleport"}'])
async def test_calls_that_cannot_be_read_hold_up_no_takeover(
    place: Place, database_for: DatabaseFor, request_bytes: bytes
) -> None:
    database, gone, heir = await database_for("fetcher"), new_id(), new_id()
    unread = [await write_bytes(database, submit(), request_bytes) for _ in range(2)]
    async with database.transaction() as tx:
        await enqueue_calls(tx, [good := wanted(new_id())])
    await claim(database, gone)
    async with database.transaction() as tx:
        await tx.execute("UPDATE calls SET may_have_left = true WHERE id = $1", unread[0])
    await take_over(database, Settlement(database, Producer(place.kafka, prefix=place.prefix), heir), heir)
    assert await states(database) == {unread[0]: "answered", unread[1]: "waiting", good.id: "waiting"}
