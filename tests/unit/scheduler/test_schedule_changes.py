"""What becomes of a schedule when it is made and changed: which times it has, and that each is seen to once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.schedules.decide import RefusedChange, due, ended, request
from services.scheduler.schedules.model import Decision, ScheduleWithFirings
from shared.events.schedules import ScheduleFact, ScheduleRequested, ScheduleState
from tests.unit.scheduler.schedules import COMPLETED, FAILED, ID, NOW, START, ask, done, facts, once, put, started


def test_a_one_time_schedule_fires_at_its_time_as_a_job_of_its_own_id_and_goes_after_success() -> None:
    standing = once()
    assert standing.due_at == NOW + timedelta(minutes=1)
    assert due(standing, NOW + timedelta(seconds=59)) == Decision(standing)
    decision = due(standing, NOW + timedelta(minutes=1))
    assert (facts(decision), started(decision)) == (["fired"], [str(ID)])
    assert decision.standing.due_at is None
    over = ended(decision.standing, decision.standing.open[0], COMPLETED, NOW)
    assert facts(over) == ["succeeded", "removed"]
    assert over.standing == ScheduleWithFirings(ID)


def test_a_one_time_schedule_fires_once_and_never_a_year_later() -> None:
    """D20: the original's cron expression came round again when its clean-up failed."""
    fired = due(once(), NOW + timedelta(minutes=1)).standing
    assert due(fired, NOW + timedelta(days=366)) == Decision(fired)


def test_a_named_one_time_schedule_may_be_asked_for_again() -> None:
    first = due(once(schedule="again"), NOW + timedelta(minutes=1))
    second = due(once(timedelta(minutes=2), schedule="again"), NOW + timedelta(minutes=2))
    assert started(first) != started(second)
    assert started(due(once(schedule="again"), NOW + timedelta(minutes=1))) == started(first)


def test_a_named_one_time_schedule_may_be_asked_for_again_for_the_same_time() -> None:
    at, later = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
    document = {"schedule": "again", "triggerAt": at.isoformat(), "past": "run", "start": START}
    first = due(once(schedule="again"), at)
    failed = ended(first.standing, first.standing.open[0], FAILED, later).standing
    changed = ask(failed, "put", at=later, **document)
    assert isinstance(changed, Decision)
    second = due(changed.standing, later)
    assert len(started(second)) == 1
    assert started(second) != started(first)


@pytest.mark.parametrize("is_over", [True, False])
def test_an_unnamed_one_time_schedule_that_is_changed_after_its_firing_starts_another_job(is_over: bool) -> None:
    """Whoever has seen a job takes another one of the same id for the same, and drops it."""
    at, next_at = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
    first = due(once(overlap="allow"), at)
    left = ended(first.standing, first.standing.open[0], FAILED, at).standing if is_over else first.standing
    changed = put(put(left, at, every="1h"), at, triggerAt=next_at.isoformat(), overlap="allow")
    second = due(changed, next_at)
    assert len(started(second)) == 1
    assert started(second) != started(first) == [str(ID)]
    assert started(due(changed, next_at)) == started(second)


def test_an_unnamed_one_time_schedule_that_is_changed_before_its_time_keeps_its_id_for_its_job() -> None:
    changed = put(once(), triggerAt=(NOW + timedelta(hours=1)).isoformat())
    assert started(due(changed, NOW + timedelta(hours=1))) == [str(ID)]


@pytest.mark.parametrize(("cron", "again"), [("0 * * * *", False), ("*/30 * * * *", False), ("1 13 * * *", True)])
def test_a_change_that_comes_late_fires_no_time_again_that_the_schedule_had_seen_to(cron: str, again: bool) -> None:
    time, late = NOW + timedelta(hours=1), NOW + timedelta(hours=1, minutes=5)
    fired = due(put(schedule="often", cron="0 * * * *"), time).standing
    over = ended(fired, fired.open[0], COMPLETED, late).standing
    event = ScheduleRequested(schedule={"schedule": "often", "cron": cron, "start": START})
    changed = request(over, event, uuid4(), time - timedelta(minutes=1), late)
    assert isinstance(changed, Decision)
    assert bool(started(due(changed.standing, late))) is again


def test_a_change_that_says_that_it_is_years_late_is_decided_at_once() -> None:
    """Every second of ten years would be looked at one by one, while nothing else fires."""
    long_ago = NOW - timedelta(days=3650)
    document = {"every": "1s", "starts": long_ago.isoformat(), "start": START}
    event = ScheduleRequested.model_validate({"schedule": document})
    decision = request(put(**document), event, uuid4(), long_ago, NOW)
    assert isinstance(decision, Decision)
    assert decision.standing.due_at == NOW + timedelta(seconds=1)


@pytest.mark.parametrize("state", ["active", "paused"])
def test_an_interval_that_is_asked_for_again_keeps_its_times(state: str) -> None:
    """Every hour by a deployment, an interval of two hours would never be over."""
    standing, document = put(every="2h"), {"source": "acme-orders", "parameters": {"region": "eu"}}
    standing = standing if state == "active" else done(standing, "pause").standing
    for minutes in (50, 100):
        standing = put(standing, NOW + timedelta(minutes=minutes), every="120m", start=document)
    standing = standing if state == "active" else done(standing, "resume", NOW + timedelta(minutes=110)).standing
    assert standing.due_at == NOW + timedelta(hours=2)
    decision = due(standing, NOW + timedelta(hours=2))
    assert facts(decision) == ["fired"]
    again = put(decision.standing, NOW + timedelta(hours=2), every="2h")
    assert again.due_at == NOW + timedelta(hours=4)
    assert put(again, NOW + timedelta(hours=3), every="3h").due_at == NOW + timedelta(hours=6)
    starts = NOW + timedelta(hours=3, minutes=30)
    started_later = put(again, NOW + timedelta(hours=3), every="2h", starts=starts.isoformat())
    assert started_later.due_at == starts
    assert put(started_later, NOW + timedelta(hours=3), every="2h").due_at == NOW + timedelta(hours=5)


def test_an_interval_that_is_asked_for_again_within_its_last_interval_fires_to_its_end() -> None:
    last = NOW + timedelta(hours=4)
    document = {"schedule": "often", "every": "2h", "ends": (last + timedelta(minutes=1)).isoformat()}
    fired = due(put(**document), NOW + timedelta(hours=2)).standing
    again = put(fired, NOW + timedelta(hours=3), **document)
    assert again.due_at == last


def test_an_interval_that_would_end_before_it_fires_is_refused() -> None:
    ends = (NOW + timedelta(hours=1)).isoformat()
    refused = ask(ScheduleWithFirings(ID), "put", schedule="often", every="2h", ends=ends, start=START)
    assert isinstance(refused, RefusedChange)
    assert [problem.pointer for problem in refused.problems] == ["/ends"]
    assert (facts(refused.decision), refused.decision.standing) == (["rejected"], ScheduleWithFirings(ID))


def test_a_change_that_comes_before_a_time_was_seen_to_fires_it() -> None:
    time, late = NOW + timedelta(hours=1), NOW + timedelta(hours=1, minutes=5)
    event = ScheduleRequested(schedule={"schedule": "often", "cron": "0 * * * *", "start": START})
    before = put(schedule="often", cron="0 * * * *")
    changed = request(before, event, uuid4(), time - timedelta(minutes=1), late)
    assert isinstance(changed, Decision)
    assert len(started(due(changed.standing, late))) == 1


@given(st.integers(-3, 3), st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=6))
def test_whatever_is_changed_around_a_time_it_has_one_verdict(
    offset: int, changes: list[tuple[bool, bool, int]]
) -> None:
    """A change is taken some milliseconds after it was asked for; the clock is looked at before it, or not yet. A
    time between a pause and its end is left out."""
    document = {"schedule": "often", "cron": "0 * * * *", "overlap": "allow", "start": START}
    time = NOW + timedelta(hours=1)
    standing, now, told = put(**document), time + timedelta(milliseconds=offset), list[datetime | None]()
    for pauses, looks, wait in [*changes, (False, True, 10), (False, True, 10)]:
        asked_at, now = now, now + timedelta(milliseconds=wait)
        event = ScheduleRequested.model_validate({"action": "pause"} if pauses else {"schedule": document})
        first = due(standing, now) if looks else Decision(standing)
        second = request(first.standing, event, uuid4(), asked_at, now)
        assert isinstance(second, Decision)
        decision = first.then(second)
        decision = decision.then(done(decision.standing, "resume", now)) if pauses else decision
        standing = decision.standing
        told += [fact.planned_at for fact in decision.facts if fact.fact is ScheduleFact.FIRED]
    assert told == [time] or (not told and any(pauses for pauses, *_ in changes))


@pytest.mark.parametrize("document", [None, {"schedule": "often", "cron": "0 * * * *", "start": START}])
def test_a_time_that_had_come_when_a_change_was_asked_for_is_not_lost(document: dict[str, Any] | None) -> None:
    time = NOW + timedelta(hours=1)
    late = time + timedelta(milliseconds=5)
    event = ScheduleRequested.model_validate({"schedule": document} if document else {"action": "pause"})
    changed = request(put(schedule="often", cron="0 * * * *"), event, uuid4(), late, late)
    assert isinstance(changed, Decision)
    assert [fact.planned_at for fact in changed.facts if fact.fact is ScheduleFact.FIRED] == [time]
    assert len(started(changed)) == 1


def test_a_change_of_a_one_time_schedule_that_comes_after_its_firing_fires_it_not_again() -> None:
    at = NOW + timedelta(minutes=1)
    fired = due(once(schedule="again"), at).standing
    event = ScheduleRequested(schedule={"schedule": "again", "triggerAt": at.isoformat(), "start": START})
    changed = request(fired, event, uuid4(), at - timedelta(milliseconds=5), at + timedelta(milliseconds=5))
    assert isinstance(changed, Decision)
    assert due(changed.standing, at + timedelta(hours=1)) == Decision(changed.standing)


def test_a_one_time_schedule_fires_however_late_unless_it_says_otherwise() -> None:
    late = NOW + timedelta(days=3)
    assert facts(due(once(), late)) == ["fired"]
    decision = due(once(catch_up={"within": "1h"}), late)
    assert facts(decision) == ["missed"]
    assert [timer.message.topic for timer in decision.messages] == ["notifications"]
    assert decision.standing.kept is not None and decision.standing.kept.state is ScheduleState.FAILED


def test_past_times_are_judged_by_when_they_were_asked_for() -> None:
    """D21: refused with its reason, not kept for a year; but not refused because a message took its time."""
    document = {"triggerAt": NOW.isoformat(), "start": START}
    event = ScheduleRequested(schedule=document)
    asked = NOW - timedelta(seconds=1)
    in_time = request(ScheduleWithFirings(ID), event, uuid4(), asked, NOW + timedelta(hours=1))
    assert isinstance(in_time, Decision) and facts(due(in_time.standing, NOW + timedelta(hours=1))) == ["fired"]
    refused = request(ScheduleWithFirings(ID), event, uuid4(), NOW, NOW)
    assert isinstance(refused, RefusedChange)
    assert [problem.pointer for problem in refused.problems] == ["/triggerAt"]
    assert (facts(refused.decision), refused.decision.standing) == (["rejected"], ScheduleWithFirings(ID))


def test_a_bad_change_leaves_what_was_in_force() -> None:
    standing = put(every="1h")
    refused = ask(standing, "put", cron="61 * * * *", start=START)
    assert isinstance(refused, RefusedChange)
    assert refused.decision.standing == standing
    assert refused.decision.facts[0].state is ScheduleState.ACTIVE
