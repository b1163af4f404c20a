"""What a callback means for the task that waits for it."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.match.decide import Expectation, judge, judge_all, keys_of, latest, one_for_each
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.specification.vendor import Callbacks

TASK, JOB = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Callbacks.model_validate(
    {
        "vendor_job": "body.data.job_id",
        "outcome": {"done": "body.status == 'ok'", "failed": "body.status == 'bad'", "progress": "body.status == 'on'"},
    }
)


def waiting(**more: Any) -> Expectation:
    fields = {"round": 0, "vendor_job": None, "over": False, "reported": None, "vendor": "acme", "rules": RULES, **more}
    fields = {"deadline_at": NOW + timedelta(hours=1), "updated_at": NOW, "since": NOW, **fields}
    return Expectation(task_id=TASK, job_id=JOB, number=0, **fields)


def callback(status: str = "ok", *, number: int = 1, raw: bytes | None = None, **more: Any) -> CallbackReceived:
    body = orjson.dumps({"status": status, "data": {"job_id": "r1"}}) if raw is None else raw
    fields = {"vendor": "acme", "task_id": TASK, "received_at": NOW, **more}
    return CallbackReceived(callback_id=UUID(int=number), body=base64.b64encode(body).decode(), **fields)


@pytest.mark.parametrize(
    ("found", "came", "verdict"),
    [
        (waiting(), callback(), "accepted"),
        (waiting(), callback("on"), "accepted"),
        (waiting(), callback("strange"), "unknown"),
        (waiting(), callback(raw=b"<html>"), "unknown"),
        (None, callback(), "parked"),
        (waiting(), callback(round=1), "parked"),
        (waiting(round=1), callback(), "late"),
        (waiting(reported="done"), callback(), "duplicate"),
        (waiting(reported="done", over=True), callback(), "duplicate"),
        (waiting(reported="failed"), callback(), "late"),
        (waiting(reported="done"), callback("on"), "late"),
        (waiting(over=True), callback(), "late"),
        (waiting(), callback(received_at=NOW + timedelta(hours=2)), "late"),
        (waiting(), callback(received_at=NOW + timedelta(hours=2), expires_at=NOW + timedelta(hours=3)), "accepted"),
        (waiting(), callback(received_at=NOW + timedelta(hours=2), expires_at=NOW), "late"),
        (waiting(vendor="other"), callback(), "unknown"),
        (waiting(rules=Callbacks()), callback(raw=b""), "accepted"),
    ],
)
def test_a_verdict_for_each_callback(found: Expectation | None, came: CallbackReceived, verdict: str) -> None:
    assert judge(came, found).verdict == verdict


def test_the_vendors_id_is_read_by_the_rules_that_the_job_runs_with() -> None:
    assert judge(callback(), waiting()).vendor_job == "r1"


def test_a_callback_by_id_is_for_the_task_that_still_waits() -> None:
    over = waiting(vendor_job="r1", over=True)
    open_one = Expectation(**{**_fields(over), "task_id": UUID(int=9), "over": False})
    [judged] = judge_all([callback(task_id=None, vendor_job="r1")], [over, open_one])
    assert (judged.verdict, judged.expectation and judged.expectation.task_id) == ("accepted", UUID(int=9))


def test_a_callback_by_id_is_for_every_task_that_waits_for_that_job() -> None:
    """A vendor that answers the same submit twice with the same job calls back once, or as often for each."""
    came = [callback(task_id=None, vendor_job="r1", number=number) for number in range(3)]
    tasks = {UUID(int=number): waiting(vendor_job="r1") for number in (7, 8)}
    both = [Expectation(**{**_fields(one), "task_id": task_id}) for task_id, one in tasks.items()]
    judged = judge_all(came, both)
    told = {one.expectation.task_id: one.reported for one in judged if one.verdict == "accepted" and one.expectation}
    assert told == dict.fromkeys(tasks, "done")
    assert [one.verdict for one in one_for_each(judged)] == ["accepted", "duplicate", "duplicate"]


def test_a_repeated_callback_counts_for_the_task_that_came_later_to_the_same_job() -> None:
    told = waiting(vendor_job="r1", reported="done")
    fresh = Expectation(**{**_fields(told), "task_id": UUID(int=9), "reported": None})
    [one] = one_for_each(judge_all([callback(task_id=None, vendor_job="r1")], [told, fresh]))
    assert (one.verdict, one.expectation and one.expectation.task_id) == ("accepted", UUID(int=9))


def test_what_repeats_an_outcome_still_brings_the_vendors_id() -> None:
    """Without it a vendor job that is done has no results."""
    came = [callback(raw=b'{"status":"ok"}', number=1), callback(number=2)]
    judged = judge_all(came, [waiting()])
    assert [(one.verdict, one.vendor_job, one.is_news) for one in judged] == [
        ("accepted", None, True),
        ("duplicate", "r1", True),
    ]
    assert [one.is_news for one in judge_all(came, [waiting(vendor_job="r1")])] == [True, False]
    assert [one.is_news for one in judge_all([callback(number=n) for n in range(3)], [waiting()])] == [
        True,
        False,
        False,
    ]
    assert not judge(callback(), None).is_news


def _fields(one: Expectation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Expectation.__dataclass_fields__}


@given(st.lists(st.sampled_from(["ok", "bad", "on", "strange"]), max_size=12))
def test_of_any_number_of_callbacks_one_outcome_counts(statuses: list[str]) -> None:
    judged = judge_all([callback(status, number=n) for n, status in enumerate(statuses)], [waiting()])
    outcomes = [one for one in judged if one.verdict == "accepted" and one.reported in ("done", "failed")]
    assert len(outcomes) == ("ok" in statuses or "bad" in statuses)
    after = [one.verdict for one in judged[judged.index(outcomes[0]) + 1 :]] if outcomes else []
    assert set(after) <= {"duplicate", "late"}


def expected(**more: Any) -> CallbackExpected:
    fields = {"number": 0, "round": 0, "vendor": "acme", "rules": RULES, "deadline_at": NOW, **more}
    return CallbackExpected(task_id=TASK, job_id=JOB, **fields)


def test_what_is_told_of_a_wait_adds_up_and_a_later_round_begins_anew() -> None:
    [told] = latest([expected(vendor_job="r1", submitted_at=NOW), expected(over=True), expected()])
    assert (told.vendor_job, told.submitted_at, told.over) == ("r1", NOW, True)
    [told] = latest([expected(vendor_job="r1", over=True), expected(round=1), expected(vendor_job="r0")])
    assert (told.round, told.vendor_job, told.over) == (1, None, False)


def test_both_sides_lock_the_same_keys() -> None:
    by_token, by_id = callback(), callback(task_id=None, vendor_job="r1")
    known = set(keys_of([expected(vendor_job="r1")]))
    assert known >= set(keys_of([by_token])) | set(keys_of([by_id]))
