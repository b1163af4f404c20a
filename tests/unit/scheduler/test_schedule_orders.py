"""What becomes of a schedule when it is paused, resumed, triggered or deleted, and of what it runs meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.schedules.decide import firing_views, schedule_views
from services.scheduler.schedules.counting import facts_of
from services.scheduler.schedules.decide import RefusedChange, due, ended
from services.scheduler.schedules.firing import End
from services.scheduler.schedules.model import Decision, ScheduleWithFirings
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleState
from tests.unit.scheduler.schedules import COMPLETED, FAILED, ID, NOW, START, ask, done, facts, once, put, started

AGAIN = {"reschedule": {"after": "15m"}}


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


def failed_once(**more: Any) -> ScheduleWithFirings:
    """A one-time schedule whose run has failed, and which waits for the next one."""
    fired = due(once(on_failure=AGAIN, **more), NOW + timedelta(minutes=1)).standing
    return ended(fired, fired.open[0], FAILED, NOW + timedelta(minutes=1)).standing


def test_a_one_time_schedule_that_is_triggered_while_it_waits_runs_now_and_not_again_later() -> None:
    decision = done(failed_once(), "trigger", NOW + timedelta(minutes=2))
    assert (facts(decision), decision.standing.due_at) == (["failed", "fired"], None)
    over = ended(decision.standing, decision.standing.open[0], COMPLETED, NOW + timedelta(minutes=3))
    assert facts(over) == ["succeeded", "removed"]
    assert over.standing == ScheduleWithFirings(ID)


def test_a_one_time_schedule_that_is_given_another_time_while_it_waits_runs_at_that_time_alone() -> None:
    at = NOW + timedelta(hours=1)
    changed = put(failed_once(), NOW + timedelta(minutes=2), triggerAt=at.isoformat())
    assert (changed.due_at, changed.open) == (at, ())
    assert len(started(due(changed, at))) == 1


@pytest.mark.parametrize("action", ["put", "trigger", "delete"])
def test_a_run_that_is_no_longer_to_be_started_again_is_shown_as_failed(action: str) -> None:
    fired = due(once(on_failure=AGAIN), NOW + timedelta(minutes=1))
    rescheduled = ended(fired.standing, fired.standing.open[0], FAILED, NOW + timedelta(minutes=1))
    document = {"triggerAt": (NOW + timedelta(hours=1)).isoformat(), "start": START} if action == "put" else {}
    replaced = ask(rescheduled.standing, action, NOW + timedelta(minutes=2), **document)
    assert isinstance(replaced, Decision)
    story = fired.then(rescheduled).then(replaced).facts
    firing = firing_views(story)[0]
    assert (firing.planned_at, firing.verdict) == (NOW + timedelta(minutes=1), "failed")
    assert firing.ended_at == NOW + timedelta(minutes=2)
    assert "not started again" in firing.reason
    assert replaced.facts[-1].fact is not ScheduleFact.FAILED


def test_a_run_of_a_one_time_schedule_that_is_to_run_anyway_is_not_started_again() -> None:
    at = NOW + timedelta(hours=1)
    running = due(once(on_failure=AGAIN), NOW + timedelta(minutes=1)).standing
    changed = put(running, NOW + timedelta(minutes=2), triggerAt=at.isoformat(), on_failure=AGAIN)
    triggered = done(running, "trigger", NOW + timedelta(minutes=2)).standing
    for standing, due_at in ((changed, at), (triggered, None)):
        decision = ended(standing, running.open[0], FAILED, NOW + timedelta(minutes=3))
        assert (facts(decision), decision.standing.due_at) == (["failed"], due_at)


def test_deletion_drops_what_waits_and_hears_of_what_runs() -> None:
    running = due(put(every="1h", on_failure={"reschedule": {"after": "1m"}}), NOW + timedelta(hours=1)).standing
    gone = done(running, "delete")
    assert (facts(gone), gone.standing.kept, len(gone.standing.open)) == (["removed"], None, 1)
    assert facts(ended(gone.standing, running.open[0], FAILED, NOW)) == ["failed"]
    waiting = ended(running, running.open[0], FAILED, NOW).standing
    gone = done(waiting, "delete")
    assert (facts(gone), gone.standing) == (["failed", "removed"], ScheduleWithFirings(ID))


def test_what_is_not_there_can_only_be_deleted() -> None:
    for action in ("pause", "resume", "trigger"):
        refused = ask(ScheduleWithFirings(ID), action)
        assert isinstance(refused, RefusedChange) and refused.reason == "unknown_schedule"
    gone = done(ScheduleWithFirings(ID), "delete")
    assert (facts(gone), gone.standing) == (["removed"], ScheduleWithFirings(ID))
    assert gone.facts[0].state is ScheduleState.REMOVED


def test_what_is_published_is_over_with_that() -> None:
    publish = {"topic": "jobs.control", "event": {"job_id": str(ID), "action": "pause"}}
    decision = due(once(publish=publish), NOW + timedelta(minutes=1))
    assert facts(decision) == ["fired", "succeeded", "removed"]
    assert [timer.message.topic for timer in decision.messages] == ["jobs.control"]


def test_what_asks_for_nothing_that_its_receiver_takes_is_not_published() -> None:
    refused = ask(ScheduleWithFirings(ID), "put", every="1h", publish={"topic": "jobs.requested", "event": {"urll": 1}})
    assert isinstance(refused, RefusedChange)
    assert [problem.pointer for problem in refused.problems] == ["/publish/event"]


def test_an_event_that_its_receiver_would_refuse_at_this_time_fails_its_firing() -> None:
    event = {"schedule": {"triggerAt": "{schedule.date}T20:30:00Z", "start": START}}
    standing = put(every="1h", publish={"topic": "schedules.requested", "event": event})
    for hours, verdict in ((1, "succeeded"), (9, "failed")):
        assert verdict in facts(done(standing, "trigger", NOW + timedelta(hours=hours)))


@given(st.permutations(["fired", "succeeded", "removed", "created"]))
def test_facts_of_one_moment_that_are_sent_in_another_order_leave_the_schedule_as_it_is(order: list[str]) -> None:
    """Two schedulers may send them, and a schedule may come back in the batch in which it went."""
    publish = {"topic": "jobs.control", "event": {"job_id": str(ID), "action": "pause"}}
    at = NOW + timedelta(minutes=1)
    gone = due(once(publish=publish), at)
    again = ask(gone.standing, "put", at, every="1h", start=START)
    assert isinstance(again, Decision)
    by_fact = {one.fact: one for one in facts_of([gone, again])}
    [view] = schedule_views([by_fact[ScheduleFact(fact)] for fact in order])
    assert (view.state, view.document) == (ScheduleState.ACTIVE, {"every": "3600s", "start": START})
    [view] = schedule_views([by_fact[ScheduleFact(fact)] for fact in order if fact != "created"])
    assert view.state is ScheduleState.REMOVED


def test_a_schedule_that_has_ended_goes_when_its_last_run_is_over() -> None:
    standing = put(every="1h", ends=(NOW + timedelta(hours=1)).isoformat())
    decision = due(standing, NOW + timedelta(hours=1))
    assert facts(decision) == ["fired"]
    assert facts(ended(decision.standing, decision.standing.open[0], FAILED, NOW)) == ["failed", "removed"]


def test_a_target_that_became_too_large_fails_its_firing() -> None:
    start = {"source": "x", "parameters": {str(n): "{schedule.name}" * 4000 for n in range(5)}}
    decision = due(once(start=start, schedule="n" * 60), NOW + timedelta(minutes=1))
    assert facts(decision) == ["failed"]
    assert "could not be started" in decision.facts[0].reason


STEPS = st.sampled_from(["pause", "resume", "trigger", "change", "wait", "wait", "succeeds", "fails", "is cancelled"])
ENDS = {"succeeds": COMPLETED, "fails": FAILED, "is cancelled": End(JobState.CANCELLED)}


@given(st.lists(STEPS, min_size=10, max_size=40), st.booleans(), st.sampled_from(["skip", "allow"]), st.booleans())
def test_whatever_happens_no_job_is_started_twice_and_no_firing_is_left_open(
    story: list[str], recurring: bool, overlap: str, again: bool
) -> None:
    on_failure = {"reschedule": {"after": "10m", "at_most": 2}} if again else {}

    def document(asked_at: datetime) -> dict[str, Any]:
        times = {"every": "15m"} if recurring else {"triggerAt": (asked_at + timedelta(minutes=15)).isoformat()}
        return {**times, "start": START, "overlap": overlap, "on_failure": on_failure}

    standing, now, jobs = put(**document(NOW)), NOW, list[str]()
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
            case "change" if standing.kept is not None:
                changed = ask(standing, "put", now, **document(now))
                assert isinstance(changed, Decision)
                decision = changed
            case _ if running and step in ENDS:
                decision = ended(standing, running[0], ENDS[step], now)
            case _:
                continue
        standing, jobs = decision.standing, jobs + started(decision)
        assert len(set(jobs)) == len(jobs)
        assert overlap == "allow" or step == "trigger" or len(standing.open) <= max(1, len(before.open))
        waiting = [one for one in standing.open if one.due_at]
        assert standing.kept is not None or not waiting
        is_only_one = (standing.open, standing.kept and standing.kept.next_at) == (tuple(waiting[:1]), None)
        assert recurring or not waiting or is_only_one
        assert standing.kept is not None or not recurring
        told = [fact for fact in decision.facts if fact.fact is ScheduleFact.FIRED]
        assert [str(fact.job_id) for fact in told] == started(decision)
