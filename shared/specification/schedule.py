"""A schedule: something to start, with a time."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from shared.specification.notify import Notify
from shared.specification.values import Duration, Name, Strict


class Publish(Strict):
    """Any event for a public topic of the catalogue."""

    topic: Annotated[str, Field(max_length=249)]
    key: Annotated[str, Field(max_length=1024)] = ""
    event: dict[str, Any]


class CatchUp(Strict):
    """What becomes of firings that were missed while nobody could fire: all of them or the last one inside `within`,
    or none."""

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
    `{schedule.id}`.
    """

    schedule: Name | None = None
    trigger_at: Annotated[AwareDatetime | None, Field(alias="triggerAt")] = None
    every: Duration | None = None
    cron: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "UTC"
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    start: dict[str, Any] | None = None
    publish: Publish | None = None
    overlap: Literal["skip", "allow"] = "skip"
    catch_up: CatchUp = CatchUp()
    past: Literal["refuse", "run"] = "refuse"
    on_failure: OnFailure = OnFailure()

    @model_validator(mode="after")
    def _check(self) -> "Schedule":
        if sum(given is not None for given in (self.trigger_at, self.every, self.cron)) != 1:
            raise ValueError("expected exactly one of triggerAt, every and cron")
        if (self.start is None) == (self.publish is None):
            raise ValueError("expected exactly one of start and publish")
        return self

    @property
    def instant(self) -> datetime | None:
        """The time of a one-time schedule."""
        return self.trigger_at
