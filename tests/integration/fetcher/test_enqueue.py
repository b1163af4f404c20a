"""fetch.requested → calls: of a call that cannot be written down whoever waits for it hears."""

from pathlib import Path
from typing import Any

import pytest

from services.callback_gateway.redrive.decide import closed_round
from services.fetcher.app import build
from services.fetcher.enqueue.handler import give_up_call
from services.fetcher.settings import Settings
from shared.database.pool import Database
from shared.events.catalogue import FETCH_REQUESTED
from shared.events.dead_letters import DeadLetter
from shared.events.envelope import Incoming, Position, Record
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested, Purpose
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from shared.specification.request import Records
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

ENDED: dict[Purpose, bool] = {
    "metadata": True,
    "page": True,
    "submit": True,
    "answer": True,
    "deliver": True,
    "status": False,
    "abort": False,
}


def wanted(purpose: Purpose) -> FetchRequested:
    """A call of a vendor whose name Postgres cannot store."""
    return FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=3,
        round=2,
        vendor="a\0b",
        purpose=purpose,
        call=Call(path="/x"),
        processing=Processing(source="s", records=Records()),
    )


async def test_a_call_that_the_shell_gave_up_ends_its_task_in_the_round_that_its_letter_has(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    tasks, dead = await reader_for("tasks.events"), await reader_for("fetcher.dead")
    calls = {purpose: wanted(purpose) for purpose in ENDED}
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([outgoing(FETCH_REQUESTED, call.task_id, call) for call in calls.values()])
        await eventually(lambda: len(dead.records) == len(calls))
        await eventually(lambda: len(tasks.records) == len(calls) - 1)
    told: dict[str, Any] = {event["task_id"]: event for event in tasks.values}
    rounds = {letter["task_id"]: closed_round(DeadLetter.model_validate(letter)) for letter in dead.values}
    for purpose, call in calls.items():
        if ENDED[purpose]:
            event = told[str(call.task_id)]
            assert (event["state"], event["round"], event["number"]) == ("dead", 2, 3), purpose
            assert event["reason"].startswith("unstorable_value: ")
        assert rounds[str(call.task_id)] == (2 if ENDED[purpose] else None), purpose
    answer = told[str(calls["answer"].task_id)]
    assert answer["answer"]["reason"] == answer["reason"]
    asked = told[str(calls["status"].task_id)]
    assert (asked["state"], asked["purpose"]) == ("waiting", "status")
    assert str(calls["abort"].task_id) not in told


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("fetcher")


async def test_a_call_that_is_given_up_twice_is_told_of_once(database: Database) -> None:
    call = Incoming(wanted("page"), new_id(), 4, Record(Position("t", 0, 0), None, b"", (), utc_now()))
    async with database.transaction() as tx:
        [first] = await give_up_call(tx, call, "bug")
        [second] = await give_up_call(tx, call, "bug")
    assert dict(first.headers)["ce_id"] == dict(second.headers)["ce_id"]
