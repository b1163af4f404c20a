"""What becomes of a schedule: on request, at its time, late, while it runs, and when what it started is over."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.schedules.decide import RefusedChange, due, ended, request
from services.scheduler.schedules.firing import PUNCTUAL, End
from services.scheduler.schedules.model import Decision, Standing
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleRequested, ScheduleState

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ID = UUID(int=7)
START = {"source": "acme-orders"}
FAILED, COMPLETED = End(JobState.FAILED, "vendor_down"), End(JobState.COMPLETED)


def ask(standing: Standing, action: str, at: datetime = NOW, **document: Any) -> Decision | RefusedChange:
    event = ScheduleRequested.model_validate({"action": action, "schedule": document or None})
    return request(standing, event, uuid4(), at, at)


def put(standing: Standing | None = None, at: datetime = NOW, /, **document: Any) -> Standing:
    target = {} if "publish" in document else {"start": START}
    decision = ask(standing or Standing(ID), "put", at, **{**target, **document})
    assert isinstance(decision, Decision)
    return decision.standing


def done(standing: Standing, action: str, at: datetime = NOW) -> Decision:
    decision = ask(standing, action, at)
    assert isinstance(decision, Decision)
    return decision


def facts(decision: Decision) -> list[str]:
    return [fact.fact.value for fact in decision.facts]


def started(decision: Decision) -> list[str]:
    return [timer.message.key for timer in decision.messages if timer.message.topic == "jobs.requested"]


def once(after: timedelta = timedelta(minutes=1), **more: Any) -> Standing:
    return put(triggerAt=(NOW + after).isoformat(), **more)


def test_a_one_time_schedule_fires_at_its_time_as_a_job_of_its_own_id_and_goes_after_success() -> None:
    standing = once()
    assert standing.due_at == NOW + timedelta(minutes=1)
    assert due(standing, NOW + timedelta(seconds=59)) == Decision(standing)
    decision = due(standing, NOW + timedelta(minutes=1))
    assert (facts(decision), started(decision)) == (["fired"], [str(ID)])
    assert decision.standing.due_at is None
    over = ended(decision.standing, decision.standing.open[0], COMPLETED, NOW)
    assert facts(over) == ["succeeded", "removed"]
    assert over.standing == Standing(ID)


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
    in_time = request(Standing(ID), event, uuid4(), asked, NOW + timedelta(hours=1))
    assert isinstance(in_time, Decision) and facts(due(in_time.standing, NOW + timedelta(hours=1))) == ["fired"]
    refused = request(Standing(ID), event, uuid4(), NOW, NOW)
    assert isinstance(refused, RefusedChange)
    assert [problem.pointer for problem in refused.problems] == ["/triggerAt"]
    assert (facts(refused.decision), refused.decision.standing) == (["rejected"], Standing(ID))


def test_a_bad_change_leaves_what_was_in_force() -> None:
    standing = put(every="1h")
    refused = ask(standing, "put", cron="61 * * * *", start=START)
    assert isinstance(refused, RefusedChange)
    assert refused.decision.standing == standing
    assert refused.decision.facts[0].state is ScheduleState.ACTIVE


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


def test_pause_holds_and_resume_goes_on_with_what_is_still_to_come() -> None:
    paused = done(put(every="1h"), "pause").standing
    assert (paused.due_at, due(paused, NOW + timedelta(hours=5))) == (None, Decision(paused))
    resumed = done(paused, "resume", NOW + timedelta(hours=5, minutes=1)).standing
    assert resumed.due_at == NOW + timedelta(hours=6)
    later = done(done(once(), "pause").standing, "resume", NOW + timedelta(hours=1)).standing
    assert facts(due(later, NOW + timedelta(hours=1))) == ["fired"]


def test_a_change_does_not_wake_a_paused_schedule() -> None:
    paused = done(put(every="1h"), "pause").standing
    changed = put(paused, every="2h")
    assert changed.kept is not None and (changed.kept.state, changed.due_at) == (ScheduleState.PAUSED, None)


def test_trigger_fires_now_whatever_runs_and_the_times_stay() -> None:
    running = due(put(every="1h"), NOW + timedelta(hours=1)).standing
    decision = done(running, "trigger", NOW + timedelta(hours=1, minutes=30))
    assert facts(decision) == ["fired"]
    assert (len(decision.standing.open), decision.standing.due_at) == (2, NOW + timedelta(hours=2))


def test_a_one_time_schedule_that_is_triggered_has_had_its_time() -> None:
    decision = done(once(), "trigger")
    assert facts(decision) == ["fired"]
    assert decision.standing.due_at is None
    over = ended(decision.standing, decision.standing.open[0], COMPLETED, NOW)
    assert facts(over) == ["succeeded", "removed"]


def test_deletion_drops_what_waits_and_hears_of_what_runs() -> None:
    running = due(put(every="1h", on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(hours=1)).standing
    gone = done(running, "delete")
    assert (facts(gone), gone.standing.kept, len(gone.standing.open)) == (["removed"], None, 1)
    assert facts(ended(gone.standing, running.open[0], FAILED, NOW)) == ["failed"]
    waiting = ended(running, running.open[0], FAILED, NOW).standing
    assert done(waiting, "delete").standing == Standing(ID)


def test_nothing_can_be_done_to_what_is_not_there() -> None:
    for action in ("pause", "resume", "trigger", "delete"):
        refused = ask(Standing(ID), action)
        assert isinstance(refused, RefusedChange) and refused.reason == "unknown_schedule"


def test_what_is_published_is_over_with_that() -> None:
    publish = {"topic": "jobs.control", "event": {"job_id": str(ID), "action": "pause"}}
    decision = due(once(publish=publish), NOW + timedelta(minutes=1))
    assert facts(decision) == ["fired", "succeeded", "removed"]
    assert [timer.message.topic for timer in decision.messages] == ["jobs.control"]


def test_a_schedule_that_has_ended_goes_when_its_last_run_is_over() -> None:
    standing = put(every="1h", ends=(NOW + timedelta(hours=1)).isoformat())
    decision = due(standing, NOW + timedelta(hours=1))
    assert facts(decision) == ["fired"]
    assert facts(ended(decision.standing, decision.standing.open[0], FAILED, NOW)) == ["failed", "removed"]


def test_a_target_that_became_too_large_fails_the_firing_and_no_other() -> None:
    start = {"source": "x", "parameters": {str(n): "{schedule.name}" * 4000 for n in range(5)}}
    decision = due(once(start=start, schedule="n" * 60), NOW + timedelta(minutes=1))
    assert facts(decision) == ["failed"]
    assert "could not be started" in decision.facts[0].reason


STEPS = st.sampled_from(["pause", "resume", "trigger", "wait", "wait", "wait", "succeeds", "fails", "is cancelled"])
ENDS = {"succeeds": COMPLETED, "fails": FAILED, "is cancelled": End(JobState.CANCELLED)}


@given(st.lists(STEPS, max_size=40), st.booleans(), st.sampled_from(["skip", "allow"]), st.booleans())
def test_whatever_happens_no_job_is_started_twice_and_no_firing_is_left_open(
    story: list[str], recurring: bool, overlap: str, again: bool
) -> None:
    on_failure = {"reschedule": {"after": "10m", "at_most": 2}} if again else {}
    times = {"every": "15m"} if recurring else {"triggerAt": (NOW + timedelta(minutes=15)).isoformat()}
    standing, now, jobs = put(**times, overlap=overlap, on_failure=on_failure), NOW, list[str]()
    for step in story:
        now += timedelta(minutes=7)
        running = [firing for firing in standing.open if firing.due_at is None]
        before = standing
        match step:
            case "wait":
                decision = due(standing, now)
                assert (before.due_at is not None and before.due_at <= now) or decision == Decision(before)
            case "pause" | "resume" | "trigger" if standing.kept is not None:
                decision = done(standing, step, now)
            case _ if running and step in ENDS:
                decision = ended(standing, running[0], ENDS[step], now)
            case _:
                continue
        standing, jobs = decision.standing, jobs + started(decision)
        assert len(set(jobs)) == len(jobs)
        assert overlap == "allow" or step == "trigger" or len(standing.open) <= max(1, len(before.open))
        assert standing.kept is not None or not [one for one in standing.open if one.due_at]
        assert standing.kept is not None or not recurring
        told = [fact for fact in decision.facts if fact.fact is ScheduleFact.FIRED]
        assert [str(fact.job_id) for fact in told] == started(decision)
