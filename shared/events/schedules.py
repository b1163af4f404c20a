"""Events of schedules: asked for, and what became of each firing."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, field_validator

from shared.errors import Problem
from shared.events.envelope import Event
from shared.ids import derived_id
from shared.specification.values import is_finite


class ScheduleRequested(Event):
    """Create or replace a schedule from a document (checked by the scheduler, so that a mistake can be answered), or
    do something with one that exists. Without a `schedule_id` it is known by its name, without that by the event's
    id. A one-time schedule without a name gives its id to its job: do not use the id again once that schedule is gone.
    `asked_at` is when it was asked for, if that was before the event was produced: what is past is judged by it."""

    type: Literal["schedule.requested"] = "schedule.requested"
    schedule_id: UUID | None = None
    action: Literal["put", "pause", "resume", "trigger", "delete"] = "put"
    schedule: dict[str, Any] | None = None
    asked_at: AwareDatetime | None = None

    @field_validator("schedule")
    @classmethod
    def _check(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if not is_finite(value):
            raise ValueError("expected finite numbers")
        return value


class ScheduleState(StrEnum):
    """Where a schedule stands. `failed` is a one-time schedule whose run failed or was missed: it stays until it is
    triggered, changed or deleted."""

    REQUESTED = "requested"
    ACTIVE = "active"
    PAUSED = "paused"
    FAILED = "failed"
    REMOVED = "removed"
    REJECTED = "rejected"


class ScheduleFact(StrEnum):
    """What happened to a schedule. `missed` and `skipped` firings were not made, each for its reason."""

    CREATED = "created"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    FIRED = "fired"
    MISSED = "missed"
    SKIPPED = "skipped"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RESCHEDULED = "rescheduled"
    REMOVED = "removed"
    REJECTED = "rejected"


class ScheduleChanged(Event):
    """Something became of a schedule, which then stands in `state`; `next_at` is the next firing, if there is one. What
    belongs to one firing carries its planned time, how often it has been rescheduled (`attempt`), and the id of its job
    (or of the event that it published). All firings that were missed in a row are one fact: with the planned time of
    the first, their `count` (at most 200 of `cron`), and the planned time of the last in `reason`."""

    type: Literal["schedule.changed"] = "schedule.changed"
    schedule_id: UUID
    name: str | None = None
    fact: ScheduleFact
    state: ScheduleState = ScheduleState.ACTIVE
    planned_at: datetime | None = None
    job_id: UUID | None = None
    attempt: int = 0
    count: int = 1
    next_at: datetime | None = None
    reason: str = ""
    mistakes: tuple[Problem, ...] = ()
    schedule: dict[str, Any] | None = None
    at: datetime

    @property
    def ce_type(self) -> str:
        """The CloudEvents type names the fact: `schedule.fired` …"""
        return f"schedule.{self.fact.value}"


def schedule_id_of(name: str) -> UUID:
    """The id of a schedule that has a name: asking for the name again is asking for a change."""
    return derived_id("schedule", name)
