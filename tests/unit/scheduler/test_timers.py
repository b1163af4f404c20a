"""Requests for later become timers, or are refused before they can hold back others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.model import Timer
from services.scheduler.timers.decide import (
    LOCKED_SECONDS,
    LOOK_SECONDS,
    NoTimer,
    pause_after,
    pause_before,
    timer_of,
    timer_of_retry,
)
from shared.events.catalogue import JOBS_CONTROL
from shared.events.dead_letters import Original, RetryRequested
from shared.events.envelope import DELIVERY, RECIPIENT, Headers, Position, Record, delivery, event_id
from shared.events.timers import TimerRequested
from shared.ids import derived_id, new_id
from shared.messaging.handler import Outgoing
from shared.specification.values import FARTHEST

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ID = derived_id("test")


def requested(**fields: Any) -> TimerRequested:
    valid = {"timer_id": ID, "due_at": NOW + timedelta(hours=1), "topic": "jobs.control", "key": "k", "value": "{}"}
    return TimerRequested(**{**valid, **fields})


def retry(record: Record, **fields: Any) -> RetryRequested:
    valid = {"service": "planner", "group": "sluice.planner.control", "event_id": ID, "delivery": 1, "reason": "bug"}
    return RetryRequested(**{**valid, "not_before": NOW, "original": Original.of(record), **fields})


def record(
    topic: str = "sluice.jobs.control",
    key: bytes | None = b"k",
    value: bytes | None = b"{}",
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> Record:
    return Record(Position(topic, 3, 99), key, value, headers, NOW)


def as_received(message: Outgoing) -> Record:
    key = message.key.encode("utf-8", errors="surrogateescape")
    return Record(Position(f"sluice.{message.topic}", 0, 0), key, message.value, message.headers, NOW)


def reason(found: Timer | NoTimer) -> str:
    return found.reason if isinstance(found, NoTimer) else ""


def test_a_fired_timer_is_the_event_of_its_id() -> None:
    timer = timer_of(requested(value='{"a":1}', ce_type_of="job.control"), NOW)
    assert isinstance(timer, Timer)
    sent = as_received(timer.message)
    assert (timer.id, event_id(sent), delivery(sent)) == (ID, ID, 0)
    assert (sent.value, sent.header("ce_type")) == (b'{"a":1}', "job.control")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"due_at": None}, "schema_invalid"),
        ({"due_at": datetime(2026, 11, 21)}, "schema_invalid"),
        ({"due_at": NOW + FARTHEST + timedelta(seconds=1)}, "deadline_exceeded"),
        ({"topic": "no.such.topic"}, "schema_invalid"),
        ({"topic": "sluice.jobs.control"}, "schema_invalid"),
        ({"topic": "vendors"}, "schema_invalid"),
        ({"value": ""}, "schema_invalid"),
        ({"value": "x" * JOBS_CONTROL.max_message_bytes}, "too_large"),
    ],
)
def test_what_can_never_be_sent_is_refused(fields: dict[str, Any], expected: str) -> None:
    assert reason(timer_of(requested(**fields), NOW)) == expected


@given(st.datetimes(timezones=st.timezones()))
def test_any_time_makes_a_timer_that_is_never_early(due_at: datetime) -> None:
    match timer_of(requested(due_at=due_at), NOW):
        case Timer() as timer:
            assert timer.due_at == max(due_at, NOW - FARTHEST)
        case NoTimer(reason="deadline_exceeded"):
            assert due_at > NOW + FARTHEST
        case NoTimer() as refused:
            raise AssertionError(refused)


names = st.text(st.characters(codec="utf-8"), max_size=20)
headers = st.lists(st.tuples(names, st.binary(max_size=30)), max_size=5).map(tuple)


@given(st.binary(max_size=40), st.one_of(st.none(), st.binary(max_size=200)), headers)
def test_a_retried_original_keeps_its_key_bytes_and_headers(key: bytes, value: bytes | None, given: Headers) -> None:
    timer = timer_of_retry(retry(record(key=key, value=value, headers=given)), "sluice", NOW)
    assert isinstance(timer, Timer)
    sent = as_received(timer.message)
    assert (sent.key, sent.value) == (key, value)
    replaced = {"ce_id", DELIVERY, RECIPIENT}
    assert [one for one in sent.headers if one[0] not in replaced] == [one for one in given if one[0] not in replaced]


def test_a_retry_is_the_same_event_as_its_next_delivery_for_one_group() -> None:
    old = ((DELIVERY, b"1"), (RECIPIENT, b"other"), ("ce_id", str(new_id()).encode()))
    timer = timer_of_retry(retry(record(headers=old), delivery=2), "sluice", NOW)
    assert isinstance(timer, Timer)
    sent = as_received(timer.message)
    assert (event_id(sent), delivery(sent), sent.header(RECIPIENT)) == (ID, 2, "sluice.planner.control")


def test_each_delivery_and_each_group_has_a_timer_of_its_own() -> None:
    asked = [retry(record()), retry(record(), delivery=2), retry(record(), group="sluice.planner.accept")]
    assert len({timer.id for one in asked if isinstance(timer := timer_of_retry(one, "sluice", NOW), Timer)}) == 3
    assert timer_of_retry(asked[0], "sluice", NOW) == timer_of_retry(asked[0], "sluice", NOW)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (retry(record(topic="sluice.no.such")), "schema_invalid"),
        (retry(record(topic="elsewhere.jobs.control")), "schema_invalid"),
        (retry(record(topic="sluice.vendors")), "schema_invalid"),
        (retry(record(), not_before=NOW + FARTHEST * 2), "deadline_exceeded"),
        (retry(record(), not_before=datetime(2026, 11, 21)), "schema_invalid"),
        (retry(record(value=b"x" * JOBS_CONTROL.max_message_bytes)), "too_large"),
        (retry(record(), original=Original.of(record()).model_copy(update={"value": "a"})), "undecodable"),
    ],
)
def test_a_retry_that_can_never_be_sent_is_refused(event: RetryRequested, expected: str) -> None:
    assert reason(timer_of_retry(event, "sluice", NOW)) == expected


@given(st.floats(allow_nan=False))
def test_the_loop_sleeps_until_the_next_timer_and_never_past_it(until_due: float) -> None:
    pause = pause_before(until_due)
    assert 0 <= pause <= LOOK_SECONDS
    assert pause == 0 if until_due <= 0 else pause <= until_due


def test_the_loop_does_not_spin_while_others_hold_what_is_due() -> None:
    assert pause_after(1) == 0
    assert pause_after(0) == LOCKED_SECONDS > 0
