"""A schedule as it stands, and what a decision leaves of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from services.scheduler.model import Timer
from shared.events.schedules import ScheduleChanged, ScheduleState
from shared.specification.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Kept:
    """A schedule that is there. `next_at` is its next planned time. `anchor` is when its document was asked for, or the
    first of several with the same `every`, which is counted from there. `id_used` says that a job of the schedule's own
    id was started before that."""

    schedule: Schedule
    state: ScheduleState
    anchor: datetime
    next_at: datetime | None
    id_used: bool = False


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing that is not over: its job runs, or it was rescheduled and waits until `due_at`. The id is the job's;
    `failed_job_id` that of the job before, which failed and may be redriven."""

    id: UUID
    planned_at: datetime
    attempt: int = 0
    due_at: datetime | None = None
    failed_job_id: UUID | None = None

    @property
    def awaited(self) -> UUID:
        """The job whose end counts: while this one waits, that of the job before."""
        return self.id if self.due_at is None else self.failed_job_id or self.id


@dataclass(frozen=True, slots=True)
class ScheduleWithFirings:
    """A schedule, or the place of one that is not there, with its open firings. `unreadable`: it is there, but its
    document cannot be read any more."""

    id: UUID
    kept: Kept | None = None
    open: tuple[Firing, ...] = ()
    unreadable: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the schedule has a row."""
        return self.kept is not None or self.unreadable

    @property
    def due_at(self) -> datetime | None:
        """The next time at which the schedule does something by itself."""
        if self.kept is None or self.kept.state is not ScheduleState.ACTIVE:
            return None
        times = [firing.due_at for firing in self.open if firing.due_at is not None]
        return min([*times, self.kept.next_at] if self.kept.next_at is not None else times, default=None)

    def changed(self, kept: Kept | None) -> Self:
        """The same with another row, or with none."""
        return replace(self, kept=kept, unreadable=False)

    def without(self, firing_id: UUID) -> Self:
        """The same without one open firing."""
        return replace(self, open=tuple(one for one in self.open if one.id != firing_id))

    def without_waiting(self) -> Self:
        """The same without the firings that were rescheduled and wait."""
        return replace(self, open=tuple(one for one in self.open if one.due_at is None))

    def having(self, firing: Firing) -> Self:
        """The same with one more open firing, or with another state of one."""
        return replace(self, open=(*self.without(firing.id).open, firing))


@dataclass(frozen=True, slots=True)
class Decision:
    """The schedule afterwards, the facts to report, and the messages to send now, each with the time it was due."""

    standing: ScheduleWithFirings
    facts: tuple[ScheduleChanged, ...] = ()
    messages: tuple[Timer, ...] = ()

    def then(self, following: Self) -> Self:
        """This decision and the one that was made on what it left."""
        return replace(following, facts=self.facts + following.facts, messages=self.messages + following.messages)
