"""When a schedule fires: its next and last times. Pure.

Cron counts on the clock of the schedule's zone. A time that a change to summer time leaves out is moved to the first
moment after the gap; one that the change back repeats counts once, the first time. Expressions with a star for minute
or hour count real hours instead, through both changes: a fixed hour with a star for the minute has no time on the day
that leaves its hour out, and twice as many on the day that repeats it. `every` counts real time.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from shared.errors import Problem
from shared.specification.schedule import Schedule
from shared.specification.values import FARTHEST

_TICK = timedelta(microseconds=1)
_WALKED = timedelta(hours=3)
"""More than any clock is put forward or back by."""


def next_time(schedule: Schedule, after: datetime, anchor: datetime) -> datetime | None:
    """The first time strictly later than `after`, in UTC, if there is one. `every` is counted from `anchor`, the moment
    at which it was first asked for, unless the schedule says when it starts."""
    if schedule.trigger_at is not None:
        return schedule.trigger_at.astimezone(UTC) if schedule.trigger_at > after else None
    if schedule.starts is not None:
        after = max(after, schedule.starts - _TICK)
    found = _next_cron(schedule, after) if schedule.cron else _next_interval(schedule, after, anchor)
    return None if found is None or (schedule.ends is not None and found > schedule.ends) else found


def last_time(schedule: Schedule, until: datetime, since: datetime, anchor: datetime) -> datetime | None:
    """The last time not later than `until`, and not before `since`, in UTC, if there is one."""
    until = until if schedule.ends is None else min(until, schedule.ends)
    if schedule.trigger_at is not None:
        found: datetime | None = schedule.trigger_at.astimezone(UTC)
    elif schedule.cron:
        found = _last_cron(schedule, until, since)
    else:
        found = _next_interval(schedule, until - _interval(schedule), anchor)
    return found if found is not None and max(since, schedule.starts or since) <= found <= until else None


def next_times(schedule: Schedule, after: datetime, anchor: datetime, most: int) -> list[datetime]:
    """The next few times."""
    times: list[datetime] = []
    while len(times) < most and (found := next_time(schedule, after, anchor)) is not None:
        times.append(found)
        after = found
    return times


def count_times(schedule: Schedule, first: datetime, last: datetime, anchor: datetime, most: int) -> int:
    """How many times there are from `first` to `last`, both of which are times. Those of cron are found one by one, so
    they are counted up to `most`."""
    if schedule.every is not None:
        return (last - first) // schedule.every + 1
    count, time = 1, next_time(schedule, first, anchor)
    while count < most and time is not None and time <= last:
        count, time = count + 1, next_time(schedule, time, anchor)
    return count


def time_problems(schedule: Schedule, asked_at: datetime, anchor: datetime | None = None) -> list[Problem]:
    """What is wrong with a schedule's times, as seen at the moment that it was asked for. Without an `anchor` a
    schedule passes that may go on from an earlier one."""
    if schedule.trigger_at is not None:
        if schedule.trigger_at > asked_at + FARTHEST:
            return [Problem("/triggerAt", "expected a time within ten years")]
        if schedule.trigger_at <= asked_at and schedule.past == "refuse":
            return [Problem("/triggerAt", "expected a time in the future; past: run would run it at once")]
        return []
    too_far = Problem("/starts" if schedule.starts else "/cron", "expected its first time within ten years")
    if schedule.starts is not None and schedule.starts > asked_at + FARTHEST:
        return [too_far]
    first = next_time(schedule, asked_at, anchor or asked_at)
    if first is None:
        if anchor is None and _may_go_on(schedule, asked_at):
            return []
        pointer = "/cron" if schedule.ends is None else "/ends"
        return [Problem(pointer, "it would never fire" if schedule.ends is None else "it would end before it fires")]
    if first > max(asked_at, anchor or asked_at) + FARTHEST:
        return [too_far]
    return []


def _may_go_on(schedule: Schedule, asked_at: datetime) -> bool:
    """Whether the schedule may be in force already, with a time of `every` left before `ends`."""
    is_counted = schedule.every is not None and schedule.starts is None
    has_time = schedule.ends is not None and schedule.ends > asked_at
    return is_counted and has_time and schedule.schedule is not None


def _next_cron(schedule: Schedule, after: datetime) -> datetime | None:
    """Fixed times are counted on the clock's face, so near a repeated hour an earlier one may come up: it is passed."""
    for found in CronSim(schedule.cron or "", after.astimezone(ZoneInfo(schedule.zone))):
        if found > after:
            return found.astimezone(UTC)
    return None


def _last_cron(schedule: Schedule, until: datetime, since: datetime) -> datetime | None:
    """Found forwards, so that it is always one of the times that `next_time` gives. Looks back in growing steps, then
    halves the last one: to walk through a year of minutes takes seconds."""
    step = timedelta(minutes=2)
    begin = max(until - step, since - _TICK)
    while not _has_time(schedule, begin, until):
        if begin < since:
            return None
        step *= 8
        begin = max(until - step, since - _TICK)
    end = until
    while end - begin > _WALKED:
        middle = begin + (end - begin) / 2
        begin, end = (middle, end) if _has_time(schedule, middle, until) else (begin, middle)
    return _last_after(schedule, begin, until)


def _has_time(schedule: Schedule, begin: datetime, until: datetime) -> bool:
    found = _next_cron(schedule, begin)
    return found is not None and found <= until


def _last_after(schedule: Schedule, begin: datetime, until: datetime) -> datetime | None:
    last: datetime | None = None
    found = _next_cron(schedule, begin)
    while found is not None and found <= until:
        last, found = found, _next_cron(schedule, found)
    return last


def _next_interval(schedule: Schedule, after: datetime, anchor: datetime) -> datetime:
    """Counted from `starts` inclusive, or from the moment of asking, exclusive."""
    first = schedule.starts or anchor + _interval(schedule)
    passed = max(0, (after - first) // _interval(schedule) + 1)
    return (first + passed * _interval(schedule)).astimezone(UTC)


def _interval(schedule: Schedule) -> timedelta:
    return schedule.every or FARTHEST
