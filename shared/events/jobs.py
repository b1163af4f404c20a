"""Events of jobs: asked for, controlled, and what became of them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator, model_validator

from shared.errors import Problem
from shared.events.envelope import Event
from shared.events.tasks import VendorAnswer
from shared.specification.values import AtMost, JobId, is_finite


class JobState(StrEnum):
    """Where a job stands. The last five are ends."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def is_end(self) -> bool:
        """Whether the job will not change any more by itself."""
        return self in _ENDS


_ENDS = frozenset(
    {JobState.COMPLETED, JobState.COMPLETED_WITH_FAILURES, JobState.FAILED, JobState.CANCELLED, JobState.REJECTED}
)


class JobRequested(Event):
    """A job specification as its sender wrote it: the planner checks it, so that a mistake can be answered.

    Without an `id` the job is known by the id of the event. The `correlation_id` is its sender's: several jobs may have
    the same. A schedule gives its own id to all jobs of its firings.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    id: JobId | None = None
    correlation_id: UUID | None = None

    @model_validator(mode="after")
    def _check(self) -> "JobRequested":
        if not is_finite(self.document):
            raise ValueError("expected finite numbers")
        return self

    @property
    def ce_type(self) -> str:
        """The CloudEvents type attribute."""
        return "job.requested"

    @property
    def of_job(self) -> UUID | None:
        """The job that is asked for, if it has its id already."""
        return self.id

    @property
    def document(self) -> dict[str, Any]:
        """The specification without the ids."""
        return dict(self.model_extra or {})


class JobControl(Event):
    """Change a running job. `redrive` plans failed tasks again, and nothing else: all of a job, or `task_ids`. With the
    `round` in which these failed, it is known whether they have been planned again since. `after` is for the planner
    alone: the order goes on with one that got as far as this number."""

    type: Literal["job.control"] = "job.control"
    job_id: UUID
    action: Literal["cancel", "pause", "resume", "redrive"]
    reason: Annotated[str, Field(max_length=500)] = ""
    task_ids: Annotated[tuple[UUID, ...], AtMost(1000)] = ()
    round: Annotated[int | None, Field(ge=0)] = None
    after: Annotated[int | None, Field(ge=0)] = None

    @field_validator("action", mode="before")
    @classmethod
    def _check_action(cls, value: Any) -> Any:
        if value == "replay":
            raise ValueError("replay is not there yet; sluice replay payloads.stored sends stored pages again")
        return value


class JobAccepted(Event):
    """The planner has the job; `specification` is the resolved one that it runs with."""

    type: Literal["job.accepted"] = "job.accepted"
    job_id: UUID
    correlation_id: UUID | None = None
    kind: str
    vendor: str
    source: str
    specification: dict[str, Any]
    at: datetime


class JobRejected(Event):
    """The specification has mistakes; nothing was done."""

    type: Literal["job.rejected"] = "job.rejected"
    job_id: UUID
    correlation_id: UUID | None = None
    mistakes: tuple[Problem, ...]
    at: datetime


class JobPlanned(Event):
    """How much there is to do became known. `records` is the vendor's own total, if it tells one. Without `all_known`
    the tasks are those so far, and nobody knows how many will follow."""

    type: Literal["job.planned"] = "job.planned"
    job_id: UUID
    tasks: int
    records: int | None = None
    all_known: bool = True
    note: str = ""
    at: datetime


class JobCounts(Event):
    """Tasks by state, and records: `records` as received, `distinct` by key within the job."""

    planned: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    records: int = 0
    distinct: int = 0


class FailureCount(Event):
    """How many tasks failed for one reason, without its details."""

    reason: str
    count: int


class JobProgressed(Event):
    """Where the job stands now; sent at most a few times a second."""

    type: Literal["job.progressed"] = "job.progressed"
    job_id: UUID
    state: JobState
    counts: JobCounts
    at: datetime


class JobEnded(Event):
    """The job is over. `expected` is the vendor's total; `complete` whether that many distinct records came, nothing
    where a total that went down leaves it open; `answer` what the vendor said to a single request; `failures` the
    commonest reasons of failed tasks; `dead` and `expired` how many of `counts.failed` ended so."""

    type: Literal["job.ended"] = "job.ended"
    job_id: UUID
    state: JobState
    reason: str
    counts: JobCounts
    expected: int | None = None
    complete: bool | None = None
    answer: VendorAnswer | None = None
    failures: tuple[FailureCount, ...] | None = None
    dead: int = 0
    expired: int = 0
    at: datetime

    @property
    def ce_type(self) -> str:
        """The CloudEvents type names the end: `job.completed`, `job.failed` …"""
        return f"job.{self.state.value}"


JobEvent = Annotated[
    JobAccepted | JobRejected | JobPlanned | JobProgressed | JobEnded,
    Field(discriminator="type"),
]
"""What `jobs.events` carries."""
