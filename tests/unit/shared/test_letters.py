"""When an event that fails is given up."""

from datetime import UTC, datetime

import pytest

from services.scheduler.model import Timer
from services.scheduler.timers.decide import timer_of_retry
from shared.errors import RefusedByTarget
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import Incoming, Position, Record, delivery
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging.dead_letter import DELIVERIES, LetterWriter
from shared.messaging.decode import UNSUPPORTED_VERSION, Poison
from shared.messaging.handler import Again, Outgoing

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LETTERS = LetterWriter("planner", "sluice.planner.control")
FAULT = RefusedByTarget("sink_refused", "no")


def event() -> Incoming[JobControl]:
    record = Record(Position("sluice.jobs.control", 0, 7), b"job", b"{}", (), NOW)
    return Incoming(JobControl(job_id=new_id(), action="pause"), new_id(), 0, record)


def next_of(incoming: Incoming[JobControl], message: Outgoing) -> Incoming[JobControl]:
    """The delivery that comes of a retry."""
    timer = timer_of_retry(RetryRequested.model_validate_json(message.value or b""), "sluice", NOW)
    assert isinstance(timer, Timer)
    record = Record(incoming.record.position, b"job", b"{}", timer.message.headers, NOW)
    return Incoming(incoming.event, incoming.id, delivery(record), record)


@pytest.mark.parametrize("waits", [0, 1, 3 * DELIVERIES])
def test_an_event_that_waited_is_given_up_after_as_many_failures_as_any_other(waits: int) -> None:
    one = event()
    for _ in range(waits):
        one = next_of(one, LETTERS.again(Again(one, 1.0, "table_busy", waited=True), NOW))
    for _ in range(DELIVERIES - 1):
        assert not LETTERS.gives_up(one, FAULT)
        one = next_of(one, LETTERS.failed(one, FAULT, NOW))
    assert LETTERS.gives_up(one, FAULT) == "sink_refused"
    assert one.delivery == waits + DELIVERIES - 1


def test_a_record_of_a_later_release_that_waited_is_put_off_as_often_as_any_other() -> None:
    one = event()
    for _ in range(DELIVERIES):
        one = next_of(one, LETTERS.again(Again(one, 1.0, "table_busy", waited=True), NOW))
    assert LETTERS.may_be_read_later(Poison(one.record, UNSUPPORTED_VERSION, "expected CloudEvents 1"))
