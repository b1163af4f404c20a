"""What becomes of a schedule at its times: late, while a run is not over, and when what it started has failed."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.schedules.decide import due, ended
from services.scheduler.schedules.firing import PUNCTUAL, End
from services.scheduler.schedules.model import Decision
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleState
from tests.unit.scheduler.schedules import COMPLETED, FAILED, NOW, facts, once, put, started


def test_a_run_that_is_not_over_makes_the_next_be_skipped_or_not() -> None:
    for overlap, expected in (("skip", ["skipped"]), ("allow", ["fired"])):
        running = due(put(every="1h", overlap=overlap), NOW + timedelta(hours=1)).standing
        decision = due(running, NOW + timedelta(hours=2))
        assert facts(decision) == expected
        assert decision.standing.due_at == NOW + timedelta(hours=3)
    over = ended(running, running.open[0], COMPLETED, NOW + timedelta(hours=1, minutes=5))
    assert facts(due(over.standing, NOW + timedelta(hours=2))) == ["fired"]


@pytest.mark.parametrize(
    ("catch_up", "expected", "planned"),
    [
        (None, ["missed", "fired"], [9]),
        ({"policy": "last", "within": "5m"}, ["missed"], []),
        ({"policy": "last", "within": "15m"}, ["missed", "fired"], [9]),
        ({"policy": "none"}, ["missed"], []),
        ({"policy": "all", "within": "3h"}, ["missed", "fired", "fired", "fired"], [7, 8, 9]),
        ({"policy": "all", "within": "1d"}, ["fired"] * 9, list(range(1, 10))),
    ],
)
def test_after_downtime_a_schedule_makes_up_for_what_it_says(
    catch_up: dict[str, Any] | None, expected: list[str], planned: list[int]
) -> None:
    standing = put(every="1h", overlap="allow", catch_up=catch_up)
    now = NOW + timedelta(hours=9, minutes=10)
    told: list[str] = []
    times: list[datetime] = []
    while standing.due_at is not None and standing.due_at <= now:
        decision = due(standing, now)
        told += facts(decision)
        times += [fact.planned_at for fact in decision.facts if fact.planned_at and fact.fact is ScheduleFact.FIRED]
        standing = decision.standing
    assert told == expected
    assert times == [NOW + timedelta(hours=hour) for hour in planned]
    assert standing.due_at == NOW + timedelta(hours=10)


@given(
    st.integers(1, 7200),
    st.integers(1, 3 * 86400),
    st.sampled_from(["none", "last", "all"]),
    st.integers(1, 86400),
)
def test_catching_up_ends_never_fires_twice_and_never_too_late(every: int, late: int, policy: str, within: int) -> None:
    standing = put(every=f"{every}s", overlap="allow", catch_up={"policy": policy, "within": f"{within}s"})
    now = NOW + timedelta(seconds=late)
    fired: list[datetime] = []
    for _ in range(200):
        if standing.due_at is None or standing.due_at > now:
            assert standing.due_at is not None and standing.due_at <= now + timedelta(seconds=every)
            break
        decision = due(standing, now)
        fired += [fact.planned_at for fact in decision.facts if fact.fact is ScheduleFact.FIRED and fact.planned_at]
        standing = decision.standing
    assert len(set(fired)) == len(fired) and fired == sorted(fired)
    allowed = max(PUNCTUAL, timedelta(0) if policy == "none" else timedelta(seconds=within))
    assert all(now - allowed <= time <= now for time in fired)
    assert policy == "all" or len(fired) <= 1


def test_what_fails_is_rescheduled_so_often_and_then_told() -> None:
    standing = once(
        on_failure={"reschedule": {"after": "15m", "at_most": 2}, "notify": [{"webhook": "https://me.example"}]}
    )
    now = NOW + timedelta(minutes=1)
    decision = due(standing, now)
    jobs = started(decision)
    for attempt in (1, 2):
        decision = ended(decision.standing, decision.standing.open[0], FAILED, now)
        assert facts(decision) == ["rescheduled"]
        fact = decision.facts[0]
        assert (fact.attempt, fact.reason, fact.next_at) == (attempt, "vendor_down", now + timedelta(minutes=15))
        assert due(decision.standing, now) == Decision(decision.standing)
        now += timedelta(minutes=15)
        decision = due(decision.standing, now)
        assert facts(decision) == ["fired"]
        assert decision.facts[0].planned_at == NOW + timedelta(minutes=1)
        jobs += started(decision)
    assert len(set(jobs)) == 3
    decision = ended(decision.standing, decision.standing.open[0], FAILED, now)
    assert facts(decision) == ["failed"]
    [notice] = [orjson.loads(timer.message.value or b"") for timer in decision.messages]
    assert notice["webhooks"][0]["webhook"] == "https://me.example"
    assert notice["event"]["reason"] == "vendor_down"
    kept = decision.standing.kept
    assert kept is not None and (kept.state, decision.standing.due_at) == (ScheduleState.FAILED, None)


def test_a_run_that_may_not_be_over_is_not_started_again() -> None:
    """Seven days without a word may be a job that takes ten."""
    fired = due(once(on_failure={"reschedule": {"after": "15m"}}), NOW + timedelta(minutes=1)).standing
    lost = End(JobState.FAILED, "nothing was heard of its end", lost=True)
    decision = ended(fired, fired.open[0], lost, NOW + timedelta(days=7))
    assert facts(decision) == ["failed"]
    assert decision.standing.due_at is None


def test_success_after_a_reschedule_removes_a_one_time_schedule() -> None:
    decision = due(once(on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(minutes=1))
    decision = ended(decision.standing, decision.standing.open[0], FAILED, NOW)
    decision = due(decision.standing, NOW + timedelta(minutes=1))
    assert facts(ended(decision.standing, decision.standing.open[0], COMPLETED, NOW)) == ["succeeded", "removed"]


def test_whoever_cancels_a_run_does_not_want_it_again() -> None:
    decision = due(once(on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(minutes=1))
    assert facts(ended(decision.standing, decision.standing.open[0], End(JobState.CANCELLED), NOW)) == ["failed"]
