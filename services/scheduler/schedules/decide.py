"""What becomes of a schedule: when it is asked to change, when it is due, when what it started is over. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.schedules.firing import End, close, fail, fire, fire_planned
from services.scheduler.schedules.messages import changed, created, rejected
from services.scheduler.schedules.model import Decision, Firing, Kept, ScheduleWithFirings
from shared.errors import Invalid, Problem
from shared.events.firing import read_schedule
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleRequested, ScheduleState
from shared.ids import derived_id
from shared.specification.recurrence import last_time, next_time, time_problems
from shared.specification.schedule import Schedule

_TICK = timedelta(microseconds=1)
_MOST_SEEN = 1000
"""The earlier schedule is asked about so many times, one by one; the others before its next time are passed over."""
_SUCCESSES = (JobState.COMPLETED, JobState.COMPLETED_WITH_FAILURES)


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """The request has mistakes; the decision reports them."""

    reason: str
    problems: tuple[Problem, ...]
    decision: Decision


def request(
    standing: ScheduleWithFirings, event: ScheduleRequested, event_id: UUID, asked_at: datetime, now: datetime
) -> Decision | RefusedChange:
    """What a request makes of a schedule."""
    match event.action:
        case "put" | "pause":
            before = _until(standing, asked_at)
            after = _change(before.standing, event, asked_at, now)
            return _change(standing, event, asked_at, now) if isinstance(after, RefusedChange) else before.then(after)
        case "delete":
            return _delete(standing, now)
    kept = standing.kept
    if kept is None:
        return _unknown(standing)
    match event.action:
        case "resume":
            return _turn(standing, kept, ScheduleState.ACTIVE, ScheduleFact.RESUMED, now)
        case "trigger":
            return _trigger(standing, kept, derived_id("schedule.trigger", standing.id, event_id), now)


def _delete(standing: ScheduleWithFirings, now: datetime) -> Decision:
    """What is not there is reported as removed, too: it may still be shown somewhere."""
    decision = _drop_waiting(standing.changed(None), "the schedule was removed", now)
    left = decision.standing
    return decision.then(Decision(left, (changed(left, ScheduleFact.REMOVED, now, reason="by request"),)))


def due(standing: ScheduleWithFirings, now: datetime) -> Decision:
    """What is to be done at this moment: at most one planned time, and every rescheduled firing whose time has come."""
    kept = standing.kept
    if kept is None or kept.state is not ScheduleState.ACTIVE:
        return Decision(standing)
    decision = Decision(standing)
    for firing in standing.open:
        if firing.due_at is not None and firing.due_at <= now:
            decision = decision.then(fire(decision.standing, kept, firing, now))
    if kept.next_at is not None and kept.next_at <= now:
        decision = decision.then(fire_planned(decision.standing, kept, kept.next_at, now))
    return decision


def _until(standing: ScheduleWithFirings, asked_at: datetime) -> Decision:
    """Do what was due before the change was asked for and is not done yet, with the schedule as it was before."""
    decision = Decision(standing)
    for _ in range(_MOST_SEEN):
        due_at = decision.standing.due_at
        if due_at is None or due_at > asked_at:
            break
        decision = decision.then(due(decision.standing, asked_at))
    return decision


def _change(
    standing: ScheduleWithFirings, event: ScheduleRequested, asked_at: datetime, now: datetime
) -> Decision | RefusedChange:
    if event.action == "put":
        return _put(standing, event, asked_at, now)
    if standing.kept is None:
        return _unknown(standing)
    return _turn(standing, standing.kept, ScheduleState.PAUSED, ScheduleFact.PAUSED, now)


def _unknown(standing: ScheduleWithFirings) -> RefusedChange:
    return RefusedChange(
        "unknown_schedule", (Problem("/schedule_id", "there is no such schedule"),), Decision(standing)
    )


def unread(standing: ScheduleWithFirings, now: datetime) -> Decision:
    """A document that was valid once and is no longer, such as one with a zone that was removed, fails until it is
    replaced. Other schedules go on."""
    reason = "its document cannot be read any more: replace it"
    return Decision(standing, (changed(standing, ScheduleFact.FAILED, now, reason=reason, state=ScheduleState.FAILED),))


def ended(standing: ScheduleWithFirings, firing: Firing, end: End, now: datetime) -> Decision:
    """What follows from the end of the job that a firing awaits. A firing that waits to be started again awaits the job
    before, which was redriven: a success makes another run needless, and some ends forbid it."""
    left, awaited = standing.without(firing.id), replace(firing, id=firing.awaited)
    if end.state in _SUCCESSES:
        reason = "" if end.state is JobState.COMPLETED else end.state.value
        return Decision(left, (changed(left, ScheduleFact.SUCCEEDED, now, awaited, reason),)).then(close(left, now))
    if firing.due_at is not None and end.allows_another_run:
        return Decision(standing)
    return fail(left, standing.kept, awaited, end, now)


def _put(
    standing: ScheduleWithFirings, event: ScheduleRequested, asked_at: datetime, now: datetime
) -> Decision | RefusedChange:
    try:
        schedule = read_schedule(event.schedule, asked_at)
    except Invalid as error:
        return _refused(standing, error.problems, now)
    before = standing.kept
    if before is not None and _comes_too_late(before, schedule, asked_at):
        return Decision(standing)
    anchor = before.anchor if before is not None and _has_same_interval(before.schedule, schedule) else asked_at
    if problems := time_problems(schedule, asked_at, anchor):
        return _refused(standing, tuple(problems), now)
    first = schedule.trigger_at if schedule.is_once else _first_time(before, schedule, asked_at, anchor, now)
    paused = before is not None and before.state is ScheduleState.PAUSED
    state = ScheduleState.PAUSED if paused else ScheduleState.ACTIVE
    decision = Decision(standing.changed(Kept(schedule, state, anchor, first, _has_used_its_id(standing))))
    if schedule.is_once:
        # What failed and waits runs at the new time instead, not at both.
        decision = _drop_waiting(decision.standing, "the schedule was changed", now)
    left = decision.standing
    return decision.then(Decision(left, (created(left, schedule, now, anew=before is None),)))


def _refused(standing: ScheduleWithFirings, problems: tuple[Problem, ...], now: datetime) -> RefusedChange:
    return RefusedChange("schema_invalid", problems, Decision(standing, (rejected(standing, problems, now),)))


def _has_same_interval(before: Schedule, schedule: Schedule) -> bool:
    """Such a change keeps the times. Otherwise an interval that is asked for again before it is over never ends."""
    return schedule.every is not None and (schedule.every, schedule.starts) == (before.every, before.starts)


def _has_used_its_id(standing: ScheduleWithFirings) -> bool:
    """Whether there may have been a job of the schedule's own id, which the next job must not share."""
    before = standing.kept
    fired_once = before is not None and before.schedule.is_once and before.next_at is None
    used_earlier = before is not None and before.id_used
    return fired_once or used_earlier or any(firing.id == standing.id for firing in standing.open)


def _comes_too_late(before: Kept, schedule: Schedule, asked_at: datetime) -> bool:
    """Whether a change that keeps the one time was asked for before that time, but comes after its firing."""
    time = schedule.trigger_at
    return time is not None and asked_at < time == before.schedule.trigger_at and before.next_at is None


def _first_time(
    before: Kept | None, schedule: Schedule, asked_at: datetime, anchor: datetime, now: datetime
) -> datetime | None:
    """The first time that the earlier schedule has not seen to: a change may arrive long after it was asked for."""
    first, seen = next_time(schedule, asked_at, anchor), 0
    while first is not None and first <= now and before is not None and _has_seen_to(before, first):
        seen += 1
        after = first if seen < _MOST_SEEN else max(first, (before.next_at or now) - _TICK)
        first = next_time(schedule, after, anchor)
    return first


def _has_seen_to(kept: Kept, time: datetime) -> bool:
    passed = kept.next_at is None or kept.next_at > time
    return passed and last_time(kept.schedule, time, time, kept.anchor) == time


def _turn(
    standing: ScheduleWithFirings, kept: Kept, state: ScheduleState, fact: ScheduleFact, now: datetime
) -> Decision:
    """Pause or resume. Times during a pause are left out, except for the one time of a one-time schedule."""
    if kept.state in (state, ScheduleState.FAILED):
        return Decision(standing)
    next_at = kept.next_at
    if state is ScheduleState.ACTIVE and not kept.schedule.is_once:
        next_at = next_time(kept.schedule, now, kept.anchor)
    left = standing.changed(replace(kept, state=state, next_at=next_at))
    return Decision(left, (changed(left, fact, now),)).then(close(left, now))


def _trigger(standing: ScheduleWithFirings, kept: Kept, run_id: UUID, now: datetime) -> Decision:
    """Fire now, whatever else runs: a person's word counts. For a one-time schedule this run takes the place of its
    time, and of a run that was rescheduled."""
    decision = Decision(standing)
    if kept.schedule.is_once:
        kept = replace(kept, next_at=None, state=ScheduleState.ACTIVE)
        decision = _drop_waiting(standing.changed(kept), "the schedule was triggered", now)
    return decision.then(fire(decision.standing, kept, Firing(run_id, now), now))


def _drop_waiting(standing: ScheduleWithFirings, why: str, now: datetime) -> Decision:
    """Failed runs that wait to be started again are not, and have failed. There is no notice: it was asked for."""
    left = standing.without_waiting()
    reason = f"it failed, and is not started again: {why}"
    facts = (
        changed(left, ScheduleFact.FAILED, now, reason=reason, planned_at=one.planned_at, attempt=one.attempt)
        for one in standing.open
        if one.due_at is not None
    )
    return Decision(left, tuple(facts))
