"""What becomes of a schedule: when it is asked to change, when it is due, when what it started is over. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.schedules.model import Decision, Firing, Kept, Standing
from services.scheduler.schedules.telling import created, notify, rejected, start, tell
from shared.errors import Invalid, Problem, Rejected
from shared.events.firing import read_schedule
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleRequested, ScheduleState
from shared.ids import derived_id
from shared.specification.recurrence import last_time, next_time
from shared.specification.schedule import CatchUp, Schedule

PUNCTUAL = timedelta(seconds=10)
"""A firing that is late by less was not missed, whatever the schedule says of catching up."""
_TICK = timedelta(microseconds=1)
_MOST_SEEN = 1000
"""After so many times that the schedule as it was has seen to, it has seen to all up to its next."""
_SUCCESSES = (JobState.COMPLETED, JobState.COMPLETED_WITH_FAILURES)


@dataclass(frozen=True, slots=True)
class Refused:
    """The request has mistakes; the decision tells them."""

    reason: str
    problems: tuple[Problem, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended, and why. `lost`: nobody knows, it may run still."""

    state: JobState
    reason: str = ""
    lost: bool = False


def request(
    standing: Standing, event: ScheduleRequested, event_id: UUID, asked_at: datetime, now: datetime
) -> Decision | Refused:
    """What a request makes of a schedule."""
    match event.action:
        case "put" | "pause":
            before = _until(standing, asked_at)
            changed = _change(before.standing, event, asked_at, now)
            return _change(standing, event, asked_at, now) if isinstance(changed, Refused) else before.then(changed)
    kept = standing.kept
    if kept is None:
        return _unknown(standing)
    match event.action:
        case "resume":
            return _turn(standing, kept, ScheduleState.ACTIVE, ScheduleFact.RESUMED, now)
        case "trigger":
            return _trigger(standing, kept, derived_id("schedule.trigger", standing.id, event_id), now)
        case "delete":
            left = replace(standing, kept=None, open=tuple(one for one in standing.open if one.due_at is None))
            return Decision(left, (tell(left, ScheduleFact.REMOVED, now, reason="by request"),))


def due(standing: Standing, now: datetime) -> Decision:
    """What is to be done at this moment: at most one planned time, and every rescheduled firing whose time has come."""
    kept = standing.kept
    if kept is None or kept.state is not ScheduleState.ACTIVE:
        return Decision(standing)
    decision = Decision(standing)
    for firing in standing.open:
        if firing.due_at is not None and firing.due_at <= now:
            decision = decision.then(_fire(decision.standing, kept, firing, now))
    if kept.next_at is not None and kept.next_at <= now:
        decision = decision.then(_planned(decision.standing, kept, kept.next_at, now))
    return decision


def _until(standing: Standing, asked_at: datetime) -> Decision:
    """What was due when a change was asked for and nobody had come to yet: the schedule as it was sees to that."""
    decision = Decision(standing)
    for _ in range(_MOST_SEEN):
        due_at = decision.standing.due_at
        if due_at is None or due_at > asked_at:
            break
        decision = decision.then(due(decision.standing, asked_at))
    return decision


def _change(standing: Standing, event: ScheduleRequested, asked_at: datetime, now: datetime) -> Decision | Refused:
    if event.action == "put":
        return _put(standing, event, asked_at, now)
    if standing.kept is None:
        return _unknown(standing)
    return _turn(standing, standing.kept, ScheduleState.PAUSED, ScheduleFact.PAUSED, now)


def _unknown(standing: Standing) -> Refused:
    return Refused("unknown_schedule", (Problem("/schedule_id", "there is no such schedule"),), Decision(standing))


def unread(standing: Standing, now: datetime) -> Decision:
    """A document that was good once and is no more (a zone that is gone, say) fails alone; a change mends it."""
    reason = "its document cannot be read any more: replace it"
    return Decision(standing, (tell(standing, ScheduleFact.FAILED, now, reason=reason, state=ScheduleState.FAILED),))


def ended(standing: Standing, firing: Firing, end: End, now: datetime) -> Decision:
    """What follows from the end of what a firing started."""
    left = standing.without(firing.id)
    kept = standing.kept
    if end.state in _SUCCESSES:
        reason = "" if end.state is JobState.COMPLETED else end.state.value
        return Decision(left, (tell(left, ScheduleFact.SUCCEEDED, now, firing, reason),)).then(_closed(left, now))
    return _failed(left, kept, firing, end, now)


def _put(standing: Standing, event: ScheduleRequested, asked_at: datetime, now: datetime) -> Decision | Refused:
    try:
        schedule = read_schedule(event.schedule, asked_at)
    except Invalid as error:
        told = Decision(standing, (rejected(standing, error.problems, now),))
        return Refused("schema_invalid", error.problems, told)
    if standing.kept is not None and _comes_too_late(standing.kept, schedule, asked_at):
        return Decision(standing)
    first = schedule.trigger_at if schedule.is_once else _first_time(standing.kept, schedule, asked_at, now)
    paused = standing.kept is not None and standing.kept.state is ScheduleState.PAUSED
    state = ScheduleState.PAUSED if paused else ScheduleState.ACTIVE
    left = standing.changed(Kept(schedule, state, asked_at, first, _has_used_its_id(standing)))
    return Decision(left, (created(left, schedule, now, anew=standing.kept is None),))


def _has_used_its_id(standing: Standing) -> bool:
    """Whether there may have been a job of the schedule's own id, which the next job must not share."""
    before = standing.kept
    fired_once = before is not None and before.schedule.is_once and before.next_at is None
    used_earlier = before is not None and before.id_used
    return fired_once or used_earlier or any(firing.id == standing.id for firing in standing.open)


def _comes_too_late(before: Kept, schedule: Schedule, asked_at: datetime) -> bool:
    """A one-time schedule has fired at its time since it was asked to be changed for the same time."""
    time = schedule.trigger_at
    return time is not None and asked_at < time == before.schedule.trigger_at and before.next_at is None


def _first_time(before: Kept | None, schedule: Schedule, asked_at: datetime, now: datetime) -> datetime | None:
    """A change may come after a time that it was asked for before: the schedule as it was has seen to that then."""
    first, seen = next_time(schedule, asked_at, asked_at), 0
    while first is not None and first <= now and before is not None and _has_seen_to(before, first):
        seen += 1
        after = first if seen < _MOST_SEEN else max(first, (before.next_at or now) - _TICK)
        first = next_time(schedule, after, asked_at)
    return first


def _has_seen_to(kept: Kept, time: datetime) -> bool:
    passed = kept.next_at is None or kept.next_at > time
    return passed and last_time(kept.schedule, time, time, kept.anchor) == time


def _turn(standing: Standing, kept: Kept, state: ScheduleState, fact: ScheduleFact, now: datetime) -> Decision:
    """Pause or resume. What was planned meanwhile is left out on purpose, except for the one time of a one-time
    schedule."""
    if kept.state in (state, ScheduleState.FAILED):
        return Decision(standing)
    next_at = kept.next_at
    if state is ScheduleState.ACTIVE and not kept.schedule.is_once:
        next_at = next_time(kept.schedule, now, kept.anchor)
    left = standing.changed(replace(kept, state=state, next_at=next_at))
    return Decision(left, (tell(left, fact, now),)).then(_closed(left, now))


def _trigger(standing: Standing, kept: Kept, run_id: UUID, now: datetime) -> Decision:
    """Fire now, whatever else runs: a person's word counts. A one-time schedule has had its time with that."""
    if kept.schedule.is_once:
        kept = replace(kept, next_at=None, state=ScheduleState.ACTIVE)
    return _fire(standing.changed(kept), kept, Firing(run_id, now), now)


def _planned(standing: Standing, kept: Kept, planned_at: datetime, now: datetime) -> Decision:
    """A planned time has come, or has passed long ago."""
    time, next_at = _choose(kept, planned_at, now)
    kept = replace(kept, next_at=next_at)
    decision = Decision(standing.changed(kept))
    if time != planned_at:
        decision = decision.then(_missed(decision.standing, kept, planned_at, time, now))
    if time is None:
        return decision
    firing = Firing(_run_id(standing.id, kept, time), time)
    if standing.open and kept.schedule.overlap == "skip":
        skipped = tell(decision.standing, ScheduleFact.SKIPPED, now, reason="the last run is not over", planned_at=time)
        return decision.then(Decision(decision.standing, (skipped,)))
    return decision.then(_fire(decision.standing, kept, firing, now))


def _choose(kept: Kept, planned_at: datetime, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Which planned time to fire now, if any, and which is the next."""
    schedule, catch_up = kept.schedule, kept.schedule.catch_up
    if schedule.is_once and catch_up is None:
        return planned_at, None
    catch_up = catch_up or CatchUp()
    within = timedelta() if catch_up.policy == "none" else catch_up.within
    oldest = now - max(within, PUNCTUAL)
    first = planned_at if planned_at >= oldest else next_time(schedule, oldest - _TICK, kept.anchor)
    if first is None or first > now:
        return None, first
    time = first
    if catch_up.policy != "all":
        time = last_time(schedule, now, first, kept.anchor) or first
    return time, next_time(schedule, time, kept.anchor)


def _missed(standing: Standing, kept: Kept, planned_at: datetime, instead: datetime | None, now: datetime) -> Decision:
    reason = "nobody could fire it in time"
    if instead is not None:
        reason = f"{reason}; {instead.isoformat()} is fired instead"
    elif kept.next_at is not None:
        reason = f"{reason}; the next is {kept.next_at.isoformat()}"
    notice = notify(standing.id, kept.schedule, planned_at, JobState.FAILED, reason, now)
    closed = _closed(standing, now, failed=True) if instead is None else Decision(standing)
    fact = tell(closed.standing, ScheduleFact.MISSED, now, reason=reason, planned_at=planned_at)
    return Decision(standing, (fact,), (notice,)).then(closed)


def _fire(standing: Standing, kept: Kept, firing: Firing, now: datetime) -> Decision:
    """Send the start. What was published is over with that; a job is heard of when it ends."""
    running = replace(firing, due_at=None)
    left = standing.without(firing.id)
    try:
        message = start(standing, firing, kept.schedule)
    except (Invalid, Rejected) as error:
        return _failed(left, kept, running, End(JobState.REJECTED, f"it could not be started: {error}"), now)
    if kept.schedule.publish is None:
        left = left.having(running)
        return Decision(left, (tell(left, ScheduleFact.FIRED, now, running),), (message,))
    facts = (tell(left, ScheduleFact.FIRED, now, running), tell(left, ScheduleFact.SUCCEEDED, now, running))
    return Decision(left, facts, (message,)).then(_closed(left, now))


def _failed(left: Standing, kept: Kept | None, firing: Firing, end: End, now: datetime) -> Decision:
    """Tried again later while the schedule allows it, but never beside a run that may not be over; else it has failed,
    and whoever wants to hears of it."""
    reason = end.reason or end.state.value
    if kept is None:
        return Decision(left, (tell(left, ScheduleFact.FAILED, now, firing, reason),))
    again = kept.schedule.on_failure.reschedule
    repeatable = end.state is not JobState.CANCELLED and not end.lost
    if again is not None and firing.attempt < again.at_most and repeatable:
        number = firing.attempt + 1
        run_id = derived_id("schedule.run", left.id, firing.id, number)
        waiting = Firing(run_id, firing.planned_at, number, now + again.after)
        left = left.having(waiting)
        return Decision(left, (tell(left, ScheduleFact.RESCHEDULED, now, waiting, reason),))
    closed = _closed(left, now, failed=True)
    fact = tell(closed.standing, ScheduleFact.FAILED, now, firing, reason)
    notice = notify(left.id, kept.schedule, firing.planned_at, end.state, reason, now)
    return Decision(left, (fact,), (notice,)).then(closed)


def _closed(standing: Standing, now: datetime, *, failed: bool = False) -> Decision:
    """A schedule that will never fire again removes itself, unless it had one time and failed: that is for a person."""
    kept = standing.kept
    if kept is None or kept.next_at is not None or standing.open or kept.state is ScheduleState.FAILED:
        return Decision(standing)
    if failed and kept.schedule.is_once:
        return Decision(standing.changed(replace(kept, state=ScheduleState.FAILED)))
    left = standing.changed(None)
    return Decision(left, (tell(left, ScheduleFact.REMOVED, now, reason="its last run is over"),))


def _run_id(schedule_id: UUID, kept: Kept, time: datetime) -> UUID:
    """A one-time schedule without a name and its job share one id, until it is changed after it has fired. One with a
    name may be asked for again, for the same time, too."""
    if not kept.schedule.is_once:
        return derived_id("schedule.run", schedule_id, time.timestamp())
    if kept.schedule.schedule is None and not kept.id_used:
        return schedule_id
    return derived_id("schedule.run", schedule_id, time.timestamp(), kept.anchor.timestamp())
