"""A schedule: something to start, with a time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.specification.notify import Notify
from shared.specification.values import Between, Duration, Name, Strict, Words

SHORTEST_INTERVAL = timedelta(seconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)")


def _read_instant(value: Any) -> Any:
    """Numbers and bare dates could mean several things, so they mean nothing."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("expected a time with its offset, such as 2026-12-24T18:00:00.250+01:00")


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected the name of a time zone, such as Europe/Berlin") from None
    return value


def _check_cron(value: str) -> str:
    if len(value.split()) != 5:
        raise ValueError("expected five fields: minute, hour, day of month, month, day of week")
    try:
        next(CronSim(value, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"not a cron expression that ever fires: {str(error).lower()}") from None
    except StopIteration:
        raise ValueError("not a cron expression that ever fires") from None
    return value


def _check_interval(value: timedelta) -> timedelta:
    if value < SHORTEST_INTERVAL:
        raise ValueError("expected an interval of at least 1s")
    return value


def _check_instant(value: datetime) -> datetime:
    """What lies at the edge of the calendar can be carried to no other zone."""
    if value < _EARLIEST:
        raise ValueError("expected a time in 1970 or later")
    return value


Instant = Annotated[
    AwareDatetime, BeforeValidator(_read_instant), AfterValidator(_check_instant), Words("time with its offset")
]
"""A moment of 1970 or later, written as RFC 3339 with its offset; the seconds and the offset's colon may be missing.
What is finer than a microsecond is cut off."""

Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_check_zone), Words("time zone")]
"""A time zone of the IANA database."""

Cron = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_cron), Words("cron expression")]
"""Five fields, as cron has them, with `L`, `LW` and `#`; what can never be, such as 31 February, is refused."""


class Publish(Strict):
    """An event for a topic to which anyone may produce."""

    topic: Annotated[str, Field(max_length=249)]
    """`jobs.requested`, `jobs.control`, `schedules.requested` or `notifications`."""
    key: Annotated[str, Field(max_length=1024)] = ""
    """The key of the event. Without this field it is the schedule's id."""
    event: dict[str, Any]
    """The event, as its topic takes it."""


class CatchUp(Strict):
    """What happens to firings that were missed while no scheduler could fire."""

    within: Duration = timedelta(hours=1)
    """The greatest age of a firing that is made up."""
    policy: Literal["none", "last", "all"] = "last"
    """Which missed firings are made up: `none`, the `last` one, or `all`."""


class Reschedule(Strict):
    """Starts a failed run again, unless a call that must not be repeated may have reached its vendor."""

    after: Duration
    """The time until the next try."""
    at_most: Annotated[int, Between(1, 100)] = 3
    """How many tries follow one failed firing."""


class OnFailure(Strict):
    """What happens when a run fails, or cannot be started."""

    reschedule: Reschedule | None = None
    """When to start again. Without this field a failed run is not started again. It is refused beside `publish`."""
    notify: Notify = ()
    """Who hears of a run that has finally failed."""


class Schedule(Strict):
    """Starts a job or publishes an event at its times. It has exactly one of `triggerAt`, `every` and `cron`, and
    exactly one of `start` and `publish`. Placeholders in both: `{schedule.time}`, `{schedule.date}`, `{schedule.id}`,
    `{schedule.name}`."""

    schedule: Name | None = None
    """The schedule's name. Applying the name again changes the schedule."""
    trigger_at: Annotated[Instant | None, Field(alias="triggerAt")] = None
    """The only time of a one-time schedule."""
    every: Annotated[Duration, AfterValidator(_check_interval)] | None = None
    """The time between two firings, at least 1s."""
    cron: Cron | None = None
    """The times as five fields: minute, hour, day of month, month, day of week; also with `L`, `LW` and `#`."""
    zone: Zone = "UTC"
    """The time zone of `cron` and of the placeholders, by its IANA name."""
    starts: Instant | None = None
    """No firing before this time. `every` is counted from it."""
    ends: Instant | None = None
    """No firing after this time."""
    start: dict[str, Any] | None = None
    """The job that each firing starts: any job, without an `id` and a `correlation_id`, which is the schedule's id."""
    publish: Publish | None = None
    """The event that each firing publishes instead of a job."""
    overlap: Literal["skip", "allow"] = "skip"
    """What happens to a firing while the previous run is not over: it is skipped, or runs beside it."""
    catch_up: CatchUp | None = None
    """What happens to firings that were missed. Without this field a recurring schedule makes up the last one within an
    hour, and a one-time schedule fires however late."""
    past: Literal["refuse", "run"] = "refuse"
    """What happens if `triggerAt` is in the past: the schedule is refused, or it runs at once."""
    on_failure: OnFailure = OnFailure()
    """What happens when a run fails or cannot be started."""

    @field_validator("ends")
    @classmethod
    def _check_ends(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        starts = info.data.get("starts")
        if value is not None and starts is not None and value < starts:
            raise ValueError("expected a time after starts")
        return value

    @model_validator(mode="after")
    def _check(self) -> "Schedule":
        if sum(given is not None for given in (self.trigger_at, self.every, self.cron)) != 1:
            raise ValueError("expected exactly one of triggerAt, every and cron")
        if (self.start is None) == (self.publish is None):
            raise ValueError("expected exactly one of start and publish")
        if self.trigger_at is not None and (self.starts or self.ends):
            raise ValueError("starts and ends belong to every and cron")
        return self

    @property
    def is_once(self) -> bool:
        """Whether it has a single time."""
        return self.trigger_at is not None
