"""Dead letters → what is sent again."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.callback_gateway.redrive.decide import Letter, Unsendable, closed_round, message_of, times_redriven
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import CE_ID, DELIVERY, RECIPIENT, REDRIVES, Position, Record
from shared.ids import new_id
from shared.messaging.handler import Outgoing

AT = datetime(2026, 1, 1, tzinfo=UTC)
JOB, TASK, EVENT, LETTER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
CALL: dict[str, Any] = {
    "type": "fetch.requested",
    "task_id": str(TASK),
    "job_id": str(JOB),
    "number": 0,
    "vendor": "acme",
    "call": {},
    "processing": {"source": "items"},
}


def letter_of(value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = b"k", **more: Any) -> DeadLetter:
    topic = more.pop("topic", "sluice.jobs.requested")
    record = Record(Position(topic, 1, 7), key, value, headers, AT)
    told = {"service": "planner", "group": "sluice.planner.accept", "reason": "bug", "delivery": 4, **more}
    return DeadLetter(event_id=EVENT, at=AT, original=Original.of(record), **told)


def sent(letter: DeadLetter, *, redrives: int = 0) -> Outgoing:
    message = message_of(Letter(LETTER, letter, closed_round(letter), redrives), "sluice")
    assert isinstance(message, Outgoing)
    return message


def test_a_message_goes_back_as_it_came_to_the_group_that_gave_it_up() -> None:
    letter = letter_of(b'{"a": \xff}', ("x", b"\xfe"), (CE_ID, str(EVENT).encode()), (DELIVERY, b"4"), key=b"\xff")
    message = sent(letter)
    assert (message.topic, message.value) == ("jobs.requested", b'{"a": \xff}')
    assert message.key.encode("utf-8", errors="surrogateescape") == b"\xff"
    assert sorted(message.headers) == [
        (CE_ID, str(EVENT).encode()),
        (DELIVERY, b"5"),
        (RECIPIENT, b"sluice.planner.accept"),
        (REDRIVES, b"1"),
        ("x", b"\xfe"),
    ]
    assert sent(letter) == message


def test_a_group_that_is_none_means_every_group() -> None:
    letter = letter_of(b"{}", topic="sluice.callbacks.received", group="")
    assert RECIPIENT not in dict(sent(letter).headers)


def test_it_remembers_how_often_it_came_back() -> None:
    again = letter_of(b"{}", *sent(letter_of(b"{}"), redrives=2).headers)
    assert times_redriven(again) == 3
    assert dict(sent(again, redrives=3).headers)[REDRIVES] == b"4"
    assert times_redriven(letter_of(b"{}", (REDRIVES, b"-1"))) == 0


def test_a_task_goes_back_through_its_job() -> None:
    value = orjson.dumps({**CALL, "round": 2})
    letter = letter_of(value, topic="sluice.fetch.requested", service="fetcher", job_id=JOB, task_id=TASK)
    assert (closed_round(letter), times_redriven(letter)) == (2, 2)
    message = sent(letter)
    assert (message.topic, message.key) == ("jobs.control", str(JOB))
    order = orjson.loads(message.value or b"")
    assert (order["action"], order["task_ids"], order["round"]) == ("redrive", [str(TASK)], 2)
    assert sent(letter) == message


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ({**CALL, "purpose": "abort"}, {"service": "fetcher", "job_id": JOB, "task_id": TASK}),
        ({**CALL, "purpose": "status"}, {"service": "fetcher", "job_id": JOB, "task_id": TASK}),
        (CALL, {"service": "planner", "job_id": JOB, "task_id": TASK}),
        (CALL, {"service": "fetcher"}),
        ({}, {"service": "fetcher", "job_id": JOB, "task_id": TASK}),
        ({}, {"service": "processor", "job_id": JOB, "task_id": TASK}),
    ],
)
def test_what_closed_no_task_goes_back_as_it_came(value: dict[str, Any], more: dict[str, Any]) -> None:
    letter = letter_of(orjson.dumps(value), topic="sluice.fetch.requested", **more)
    assert closed_round(letter) is None
    assert sent(letter).topic == "fetch.requested"


def test_what_cannot_be_sent_says_why() -> None:
    letter = letter_of(b"{}")
    broken = letter.model_copy(update={"original": letter.original.model_copy(update={"value": "a"})})
    without = letter.original.model_copy(update={"value": None, "left_out": "a value of 9 bytes"})
    for bad, why in (
        (broken, "undecodable"),
        (letter.model_copy(update={"original": without}), "is not kept: a value of 9 bytes"),
        (letter_of(b"{}", topic="other.jobs.requested"), "no topic"),
        (letter_of(b"x" * 2**20), "too large"),
        (letter_of(b"{}", topic="sluice.vendors"), "published again"),
    ):
        found = message_of(Letter(new_id(), bad, closed_round(bad), times_redriven(bad)), "sluice")
        assert isinstance(found, Unsendable)
        assert why in found.reason
