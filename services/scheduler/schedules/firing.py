"""What becomes of a time that has come: it is fired, skipped or missed; what fails is tried again, or is over. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.schedules.messages import changed, notify, start
from services.scheduler.schedules.model import Decision, Firing, Kept, ScheduleWithFirings
from shared.errors import Invalid, Rejected
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleFact, ScheduleState
from shared.ids import derived_id
from shared.specification.recurrence import count_times, last_time, next_time
from shared.specification.schedule import CatchUp

PUNCTUAL = timedelta(seconds=10)
"""A firing that is late by less was not missed, whatever the schedule says of catching up."""
_MOST_COUNTED = 200
"""Missed times of cron are counted so far: to count a week of minutes would take a tenth of a second per schedule."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended, and why. `unknown`: it may still run, or a vendor may have carried out a call that must not be
    repeated."""

    state: JobState
    reason: str = ""
    unknown: bool = False

    @property
    def allows_another_run(self) -> bool:
        """Whether the same may be started again after it."""
        return self.state is not JobState.CANCELLED and not self.unknown


def fire_planned(standing: ScheduleWithFirings, kept: Kept, planned_at: datetime, now: datetime) -> Decision:
    """Fire, skip or miss a planned time that has come, perhaps long ago."""
    time, next_at = _choose(kept, planned_at, now)
    kept = replace(kept, next_at=next_at)
    decision = Decision(standing.changed(kept))
    if time != planned_at:
        decision = decision.then(_missed(decision.standing, kept, planned_at, time, now))
    if time is None:
        return decision
    firing = Firing(_run_id(standing.id, kept, time), time)
    if _is_skipped(standing, kept):
        skipped = changed(
            decision.standing, ScheduleFact.SKIPPED, now, reason="the last run is not over", planned_at=time
        )
        return decision.then(Decision(decision.standing, (skipped,)))
    return decision.then(fire(decision.standing, kept, firing, now))


def _is_skipped(standing: ScheduleWithFirings, kept: Kept) -> bool:
    """Whether a planned time that has come is skipped, because the last run is not over."""
    return kept.schedule.overlap == "skip" and standing.open != ()


def _choose(kept: Kept, planned_at: datetime, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Which planned time to fire now, if any, and which is the next. All that are punctual are fired, one by one."""
    schedule, catch_up = kept.schedule, kept.schedule.catch_up
    if schedule.is_once and catch_up is None:
        return planned_at, None
    catch_up = catch_up or CatchUp()
    within = timedelta() if catch_up.policy == "none" else catch_up.within
    time = _first_since(kept, planned_at, now - max(within, PUNCTUAL))
    if time is None or time > now:
        return None, time
    if catch_up.policy != "all":
        last = last_time(schedule, now, time, kept.anchor) or time
        time = min(last, _first_since(kept, time, now - PUNCTUAL) or last)
    return time, next_time(schedule, time, kept.anchor)


def _first_since(kept: Kept, planned_at: datetime, since: datetime) -> datetime | None:
    return planned_at if planned_at >= since else next_time(kept.schedule, since - _TICK, kept.anchor)


def _missed(
    standing: ScheduleWithFirings, kept: Kept, planned_at: datetime, time: datetime | None, now: datetime
) -> Decision:
    """One fact for all times that were missed in a row, before `time` if there is one. They have failed if no other
    time is fired instead: there is none, or it is skipped."""
    until = now if time is None else time - _TICK
    last = last_time(kept.schedule, until, planned_at, kept.anchor) or planned_at
    count = count_times(kept.schedule, planned_at, last, kept.anchor, _MOST_COUNTED)
    instead = None if _is_skipped(standing, kept) else time
    reason = _missed_reason(kept, count, last, instead)
    closed = close(standing, now, failed=True) if instead is None else Decision(standing)
    fact = changed(closed.standing, ScheduleFact.MISSED, now, reason=reason, planned_at=planned_at, count=count)
    notice = notify(standing.id, kept.schedule, planned_at, JobState.FAILED, reason, now)
    return Decision(standing, (fact,), (notice,) if instead is None else ()).then(closed)


def _missed_reason(kept: Kept, count: int, last: datetime, instead: datetime | None) -> str:
    number = f"at least {count}" if kept.schedule.cron and count == _MOST_COUNTED else str(count)
    reason = "it was not fired in time"
    if count > 1:
        reason = f"{number} firings, until {last.isoformat()}, were not made in time"
    if instead is not None:
        return f"{reason}; {instead.isoformat()} is fired instead"
    return reason if kept.next_at is None else f"{reason}; the next is {kept.next_at.isoformat()}"


def fire(standing: ScheduleWithFirings, kept: Kept, firing: Firing, now: datetime) -> Decision:
    """Send what the schedule starts. A published event succeeds with that; a job succeeds or fails when it ends."""
    running = replace(firing, due_at=None)
    left = standing.without(firing.id)
    try:
        message = start(standing, firing, kept.schedule)
    except (Invalid, Rejected) as error:
        return fail(left, kept, running, End(JobState.REJECTED, f"it could not be started: {error}"), now)
    if kept.schedule.publish is None:
        left = left.having(running)
        return Decision(left, (changed(left, ScheduleFact.FIRED, now, running),), (message,))
    facts = (changed(left, ScheduleFact.FIRED, now, running), changed(left, ScheduleFact.SUCCEEDED, now, running))
    return Decision(left, facts, (message,)).then(close(left, now))


def fail(left: ScheduleWithFirings, kept: Kept | None, firing: Firing, end: End, now: datetime) -> Decision:
    """The run is started again later if the schedule allows that. Otherwise it has failed, which is reported.

    A run that was cancelled or whose outcome is unknown is never started again, nor one of a one-time schedule that has
    another run, now or later: its request would be sent twice.
    """
    reason = end.reason or end.state.value
    if kept is None:
        return Decision(left, (changed(left, ScheduleFact.FAILED, now, firing, reason),))
    again = kept.schedule.on_failure.reschedule
    has_another = kept.schedule.is_once and (kept.next_at is not None or left.open != ())
    if again is not None and firing.attempt < again.at_most and end.allows_another_run and not has_another:
        number = firing.attempt + 1
        run_id = derived_id("schedule.run", left.id, firing.id, number)
        waiting = Firing(run_id, firing.planned_at, number, now + again.after, firing.id)
        left = left.having(waiting)
        return Decision(left, (changed(left, ScheduleFact.RESCHEDULED, now, waiting, reason),))
    closed = close(left, now, failed=True)
    fact = changed(closed.standing, ScheduleFact.FAILED, now, firing, reason)
    notice = notify(left.id, kept.schedule, firing.planned_at, end.state, reason, now)
    return Decision(left, (fact,), (notice,)).then(closed)


def close(standing: ScheduleWithFirings, now: datetime, *, failed: bool = False) -> Decision:
    """Remove a schedule that will never fire again. A one-time schedule that failed stays, for a person to decide."""
    kept = standing.kept
    if kept is None or kept.next_at is not None or standing.open or kept.state is ScheduleState.FAILED:
        return Decision(standing)
    if failed and kept.schedule.is_once:
        return Decision(standing.changed(replace(kept, state=ScheduleState.FAILED)))
    left = standing.changed(None)
    return Decision(left, (changed(left, ScheduleFact.REMOVED, now, reason="its last run is over"),))


def _run_id(schedule_id: UUID, kept: Kept, time: datetime) -> UUID:
    """A one-time schedule without a name and its job share one id, until it is changed after it has fired. One with a
    name may be asked for again, for the same time, too."""
    if not kept.schedule.is_once:
        return derived_id("schedule.run", schedule_id, time.timestamp())
    if kept.schedule.schedule is None and not kept.id_used:
        return schedule_id
    return derived_id("schedule.run", schedule_id, time.timestamp(), kept.anchor.timestamp())
