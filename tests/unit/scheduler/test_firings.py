"""What becomes of a schedule at its times: late, while a run is not over, and when what it started has failed."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.callback_gateway.schedules.decide import firing_views
from services.scheduler.schedules.counting import facts_of
from services.scheduler.schedules.decide import due, ended
from services.scheduler.schedules.firing import PUNCTUAL, End
from services.scheduler.schedules.model import Decision, ScheduleWithFirings
from shared.events.envelope import CE_CORRELATION
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleState
from tests.unit.scheduler.schedules import COMPLETED, FAILED, ID, NOW, START, done, facts, once, put, started

MOST = 200


def caught_up(standing: ScheduleWithFirings, now: datetime) -> Decision:
    """What is done in so many rounds at one moment."""
    decision = Decision(standing)
    for _ in range(MOST):
        if decision.standing.due_at is None or decision.standing.due_at > now:
            break
        decision = decision.then(due(decision.standing, now))
    return decision


def fired_times(decision: Decision) -> list[datetime]:
    return [fact.planned_at for fact in decision.facts if fact.fact is ScheduleFact.FIRED and fact.planned_at]


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
    decision = caught_up(put(every="1h", overlap="allow", catch_up=catch_up), NOW + timedelta(hours=9, minutes=10))
    assert facts(decision) == expected
    assert fired_times(decision) == [NOW + timedelta(hours=hour) for hour in planned]
    assert decision.standing.due_at == NOW + timedelta(hours=10)


def test_what_is_late_by_less_than_ten_seconds_is_fired_and_not_missed() -> None:
    for late, expected in ((2.3, ["fired"] * 2), (60.5, ["missed", *["fired"] * 10])):
        standing = put(every="1s", overlap="allow", catch_up={"policy": "none"})
        now = NOW + timedelta(seconds=late)
        assert facts(caught_up(standing, now)) == expected


@pytest.mark.parametrize(
    ("times", "away", "count", "last", "fired"),
    [
        ({"every": "15m"}, timedelta(minutes=50), 2, timedelta(minutes=30), timedelta(minutes=45)),
        ({"cron": "*/15 * * * *"}, timedelta(minutes=50), 2, timedelta(minutes=30), timedelta(minutes=45)),
        (
            {"every": "1m", "catch_up": {"policy": "none"}},
            timedelta(days=7, seconds=30),
            10080,
            timedelta(days=7),
            None,
        ),
        ({"every": "7d", "catch_up": {"policy": "none"}}, timedelta(days=7, hours=1), 1, timedelta(days=7), None),
        (
            {"cron": "* * * * *", "catch_up": {"policy": "none"}},
            timedelta(days=7, seconds=30),
            200,
            timedelta(days=7),
            None,
        ),
    ],
)
def test_all_firings_that_are_missed_in_a_row_are_one_fact(
    times: dict[str, Any], away: timedelta, count: int, last: timedelta, fired: timedelta | None
) -> None:
    """A schedule of seconds after a week is one row, too; only a failure is something to be notified of."""
    standing = put(**times)
    decision = due(standing, NOW + away)
    missed, *others = decision.facts
    assert (missed.fact, missed.planned_at, missed.count) == (ScheduleFact.MISSED, standing.due_at, count)
    assert f"until {(NOW + last).isoformat()}" in missed.reason or count == 1
    assert [fact.planned_at for fact in others] == ([] if fired is None else [NOW + fired])
    topics = [timer.message.topic for timer in decision.messages]
    assert topics == (["notifications"] if fired is None else ["jobs.requested"])


def test_missed_firings_have_failed_if_the_one_to_make_up_for_them_is_skipped() -> None:
    running = due(put(every="15m"), NOW + timedelta(minutes=15)).standing
    decision = due(running, NOW + timedelta(minutes=80))
    missed, skipped = decision.facts
    assert (facts(decision), missed.count) == (["missed", "skipped"], 3)
    assert skipped.planned_at == NOW + timedelta(minutes=75)
    assert "instead" not in missed.reason
    assert [timer.message.topic for timer in decision.messages] == ["notifications"]
    assert decision.standing.open == running.open


def test_the_metric_counts_every_firing_that_was_missed() -> None:
    decision = due(put(every="15m"), NOW + timedelta(minutes=50))
    before = REGISTRY.get_sample_value("sluice_schedule_facts_total", {"fact": "missed"}) or 0
    facts_of([decision])
    assert REGISTRY.get_sample_value("sluice_schedule_facts_total", {"fact": "missed"}) == before + 2


def test_a_notice_of_a_schedule_has_the_form_of_a_notice_of_a_job() -> None:
    decision = due(once(catch_up={"within": "1h"}), NOW + timedelta(hours=2))
    [notice] = [orjson.loads(timer.message.value or b"") for timer in decision.messages]
    event = notice["event"]
    assert (set(event), event["type"]) == ({"type", "timestamp", "data"}, "schedule.failed")
    assert event["timestamp"] == (NOW + timedelta(hours=2)).isoformat()
    assert set(event["data"]) == {"schedule_id", "name", "planned_at", "reason"}


@given(
    st.integers(1, 7200),
    st.integers(1, 3 * 86400),
    st.sampled_from(["none", "last", "all"]),
    st.integers(1, 86400),
)
def test_catching_up_ends_never_fires_twice_and_never_too_late(every: int, late: int, policy: str, within: int) -> None:
    standing = put(every=f"{every}s", overlap="allow", catch_up={"policy": policy, "within": f"{within}s"})
    now = NOW + timedelta(seconds=late)
    decision = caught_up(standing, now)
    standing, fired = decision.standing, fired_times(decision)
    assert standing.due_at is not None and (standing.due_at <= now + timedelta(seconds=every) or len(fired) == MOST)
    assert len(set(fired)) == len(fired) and fired == sorted(fired)
    allowed = max(PUNCTUAL, timedelta(0) if policy == "none" else timedelta(seconds=within))
    assert all(now - allowed <= time <= now for time in fired)
    assert policy == "all" or len(fired) <= 1 or fired[0] >= now - PUNCTUAL


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
    assert notice["event"]["data"]["reason"] == "vendor_down"
    kept = decision.standing.kept
    assert kept is not None and (kept.state, decision.standing.due_at) == (ScheduleState.FAILED, None)


def test_a_run_whose_outcome_is_unknown_is_not_started_again() -> None:
    """Seven days without a word may be a job that takes ten."""
    fired = due(once(on_failure={"reschedule": {"after": "15m"}}), NOW + timedelta(minutes=1)).standing
    end = End(JobState.FAILED, "nothing was heard of its end", unknown=True)
    decision = ended(fired, fired.open[0], end, NOW + timedelta(days=7))
    assert (facts(decision), len(decision.messages)) == (["failed"], 1)
    assert decision.standing.due_at is None


def test_success_after_a_reschedule_removes_a_one_time_schedule() -> None:
    decision = due(once(on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(minutes=1))
    decision = ended(decision.standing, decision.standing.open[0], FAILED, NOW)
    decision = due(decision.standing, NOW + timedelta(minutes=1))
    assert facts(ended(decision.standing, decision.standing.open[0], COMPLETED, NOW)) == ["succeeded", "removed"]


def test_a_failed_run_that_is_redriven_and_succeeds_is_not_started_again() -> None:
    fired = due(once(on_failure={"reschedule": {"after": "1h"}}), NOW + timedelta(minutes=1))
    [failed] = fired.standing.open
    rescheduled = ended(fired.standing, failed, FAILED, NOW)
    [waiting] = rescheduled.standing.open
    assert ended(rescheduled.standing, waiting, FAILED, NOW) == Decision(rescheduled.standing)
    decision = ended(rescheduled.standing, waiting, COMPLETED, NOW)
    assert (facts(decision), decision.standing.open, decision.standing.kept) == (["succeeded", "removed"], (), None)
    [firing] = firing_views(facts_of([fired, rescheduled, decision]))
    assert (firing.verdict, firing.job_id, firing.attempt) == ("succeeded", failed.id, 1)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (End(JobState.FAILED, "outcome_unknown: timeout", unknown=True), "outcome_unknown: timeout"),
        (End(JobState.CANCELLED), "cancelled"),
    ],
)
@pytest.mark.parametrize("times", [{"triggerAt": (NOW + timedelta(minutes=1)).isoformat()}, {"every": "1m"}])
def test_a_failed_run_that_is_redriven_is_not_started_again_where_that_end_forbids_it(
    end: End, reason: str, times: dict[str, Any]
) -> None:
    """The redrive may have made the call, and only its outcome is unknown."""
    notify = [{"webhook": "https://me.example", "on": ["failed", "cancelled"]}]
    fired = due(put(**times, on_failure={"reschedule": {"after": "1h"}, "notify": notify}), NOW + timedelta(minutes=1))
    [failed] = fired.standing.open
    rescheduled = ended(fired.standing, failed, FAILED, NOW)
    decision = ended(rescheduled.standing, rescheduled.standing.open[0], end, NOW)
    [fact] = decision.facts
    assert (fact.fact, fact.reason, fact.job_id) == (ScheduleFact.FAILED, reason, failed.id)
    assert decision.standing.open == ()
    [notice] = [orjson.loads(timer.message.value or b"") for timer in decision.messages]
    assert (notice["webhooks"][0]["webhook"], notice["event"]["data"]["reason"]) == ("https://me.example", reason)
    [firing] = firing_views(facts_of([fired, rescheduled, decision]))
    assert (firing.verdict, firing.job_id) == ("failed", failed.id)


def test_whoever_cancels_a_run_does_not_want_it_again() -> None:
    decision = due(once(on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(minutes=1))
    assert facts(ended(decision.standing, decision.standing.open[0], End(JobState.CANCELLED), NOW)) == ["failed"]


def correlations(decision: Decision) -> list[tuple[str | None, str]]:
    """Of each message for a job: the correlation id in it, and that in its headers."""
    return [
        (
            orjson.loads(timer.message.value or b"").get("correlation_id"),
            dict(timer.message.headers)[CE_CORRELATION].decode(),
        )
        for timer in decision.messages
        if timer.message.topic == "jobs.requested"
    ]


@pytest.mark.parametrize(
    "times",
    [
        {"every": "1h"},
        {"cron": "0 * * * *"},
        {"schedule": "nightly", "triggerAt": (NOW + timedelta(hours=1)).isoformat()},
        {"triggerAt": (NOW + timedelta(hours=1)).isoformat()},
    ],
)
def test_every_job_of_a_schedule_has_its_id_whether_planned_started_again_or_triggered(times: dict[str, Any]) -> None:
    again = {"reschedule": {"after": "5m", "at_most": 1}}
    planned = due(put(**times, overlap="allow", on_failure=again), NOW + timedelta(hours=1))
    failed = ended(planned.standing, planned.standing.open[0], FAILED, NOW + timedelta(hours=1))
    rescheduled = due(failed.standing, NOW + timedelta(hours=1, minutes=5))
    triggered = done(put(**times), "trigger")
    for decision in (planned, rescheduled, triggered):
        assert correlations(decision) == [(str(ID), str(ID))]


@pytest.mark.parametrize("own", [None, "019b0000-0000-7000-8000-000000000001"])
def test_a_published_event_carries_the_id_of_its_schedule_unless_it_has_its_own(own: str | None) -> None:
    event = {**START, "correlation_id": own} if own else START
    decision = due(put(every="1h", publish={"topic": "jobs.requested", "event": event}), NOW + timedelta(hours=1))
    assert correlations(decision) == [(own or str(ID), str(ID))]
