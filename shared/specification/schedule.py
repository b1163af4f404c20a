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
from shared.specification.values import Duration, Name, Strict

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


Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant), AfterValidator(_check_instant)]
"""A moment of 1970 or later, written as RFC 3339 with its offset; the seconds and the offset's colon may be missing.
What is finer than a microsecond is cut off."""

Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_check_zone)]
"""A time zone of the IANA database."""

Cron = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_cron)]
"""Five fields, as cron has them, with `L`, `LW` and `#`; what can never be, such as 31 February, is refused."""


class Publish(Strict):
    """Any event for a topic of the catalogue that anyone may produce to, and `notifications`."""

    topic: Annotated[str, Field(max_length=249)]
    key: Annotated[str, Field(max_length=1024)] = ""
    event: dict[str, Any]


class CatchUp(Strict):
    """What becomes of firings that were missed while nobody could fire: all of them or the last one inside `within`
    (so it is also the greatest age of a firing), or none."""

    within: Duration = timedelta(hours=1)
    policy: Literal["none", "last", "all"] = "last"


class Reschedule(Strict):
    """Try again later, at most so often in a row."""

    after: Duration
    at_most: Annotated[int, Field(ge=1, le=100)] = 3


class OnFailure(Strict):
    """What to do when what was started fails, or cannot be started."""

    reschedule: Reschedule | None = None
    notify: Notify = ()


class Schedule(Strict):
    """Exactly one of `triggerAt` (an instant with its offset), `every` and `cron` (with `zone`) says when; exactly one
    of `start` (a job specification) and `publish` says what. Placeholders in both: `{schedule.time}`,
    `{schedule.date}`, `{schedule.id}`, `{schedule.name}`.

    `every` is counted from `starts`, or from when it was asked for. Without `catch_up` a recurring schedule makes up
    for its last firing within an hour, and a one-time schedule fires however late it is.
    """

    schedule: Name | None = None
    trigger_at: Annotated[Instant | None, Field(alias="triggerAt")] = None
    every: Annotated[Duration, AfterValidator(_check_interval)] | None = None
    cron: Cron | None = None
    zone: Zone = "UTC"
    starts: Instant | None = None
    ends: Instant | None = None
    start: dict[str, Any] | None = None
    publish: Publish | None = None
    overlap: Literal["skip", "allow"] = "skip"
    catch_up: CatchUp | None = None
    past: Literal["refuse", "run"] = "refuse"
    on_failure: OnFailure = OnFailure()

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
