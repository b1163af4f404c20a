"""What the API answers, as models. Unknown fields pass, so that an older client reads a newer server."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

ENDS = frozenset({"completed", "completed_with_failures", "failed", "cancelled", "rejected"})


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class JobReference(Answer):
    """A job that was asked for."""

    id: UUID
    kind: str
    status: str
    links: dict[str, str]


class Total(Answer):
    """How much there is to do, as far as it is known."""

    records: int | None
    tasks: int


class Completeness(Answer):
    """Distinct records against what the vendor says there are."""

    expected: int
    distinct: int
    complete: bool | None


class FailureCount(Answer):
    """How many tasks failed for a reason."""

    reason: str
    count: int


class Mistake(Answer):
    """A mistake in a specification."""

    pointer: str
    detail: str


class VendorAnswer(Answer):
    """What a vendor said to a request in the end; without a `status` it said nothing."""

    status: int | None
    headers: dict[str, str]
    bytes: int
    media_type: str | None
    reason: str


class Reply(Answer):
    """The vendor's own answer to a request: `headers` are those that were asked for, and `content-type`."""

    job_id: UUID
    status: int
    headers: dict[str, str]
    body: bytes


class Job(Answer):
    """A job as it stands. `percent` and `finish_estimate_at` are there once all of its tasks are known; the estimate
    only while it runs."""

    id: UUID
    kind: str
    status: str
    vendor: str
    source: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    reason: str
    note: str = ""
    total: Total
    counts: dict[str, int]
    records: int
    distinct: int
    percent: float | None
    finish_estimate_at: datetime | None
    completeness: Completeness | None
    sinks: list[dict[str, Any]] = []
    failures: list[FailureCount] = []
    mistakes: list[Mistake] = []
    answer: VendorAnswer | None = None
    correlation_id: UUID | None = None

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more by itself."""
        return self.status in ENDS


class Attempt(Answer):
    """One try of a task's call; `seconds` is how long it took."""

    attempt: int
    started_at: datetime
    seconds: float
    egress: str
    status: int | None = None
    verdict: str
    reason: str = ""


class TaskCallback(Answer):
    """A callback of a task: what it reported, and what it was worth."""

    id: UUID
    verdict: str
    reported: str | None
    received_at: datetime


class Callback(TaskCallback):
    """A callback of a job."""

    vendor: str
    task_id: UUID | None
    round: int
    vendor_job: str | None


class Task(Answer):
    """One call of a job; `vendor_job` and `callbacks` belong to one that was submitted."""

    id: UUID
    number: int
    round: int
    state: str
    records: int | None
    reason: str
    attempts: list[Attempt]
    times: dict[str, datetime]
    vendor_job: str | None = None
    callbacks: list[TaskCallback] = []


class DeadLetter(Answer):
    """A message that could not be handled. It is open, redriving, redriven or discarded since `changed_at`; `note` says
    why. `redrives` is how often it was sent again before it came back."""

    id: UUID
    service: str
    topic: str
    reason: str
    error: str
    delivery: int
    at: datetime
    job_id: UUID | None
    task_id: UUID | None
    state: str = "open"
    redrives: int = 0
    note: str = ""
    changed_at: datetime | None = None


class Original(Answer):
    """A message as it came; `value` is there if it is text, `value_base64` always."""

    topic: str
    partition: int
    offset: int
    key: str | None = None
    value: str | None = None
    value_base64: str | None = None
    headers: list[tuple[str, str | None]] = []


class WholeDeadLetter(DeadLetter):
    """A dead letter with its history and the message as it came. `attempts` is how often the message was tried: a call
    by its attempts, anything else by its deliveries. `trace_id` is that of its job's trace, or of the message's own."""

    history: list[str]
    attempts: int | None = None
    trace_id: str | None = None
    original: Original


class LettersAffected(Answer):
    """How many dead letters were (or, in a dry run, would be) taken, the first of them, and how many are held back:
    they came back too often, their jobs are cancelled, they are configuration, or their messages are not kept. `rest`
    has the `from` and `to` of the letters that one request did not come to."""

    count: int
    held: int
    ids: list[UUID]
    dry_run: bool
    rest: dict[str, datetime] | None = None


class ScheduleReference(Answer):
    """A schedule that was asked for, or asked to change."""

    id: UUID
    correlation_id: UUID
    kind: str
    status: str
    next_at: datetime | None
    links: dict[str, str]


class Firing(Answer):
    """One planned time of a schedule, and what became of it: fired, succeeded, failed, rescheduled, missed, skipped.
    `attempt` counts how often it was rescheduled; `late_ms` is from the planned time to the first firing."""

    planned_at: datetime
    verdict: str
    job_id: UUID | None
    attempt: int
    fired_at: datetime | None
    late_ms: int | None
    ended_at: datetime | None
    reason: str


class ScheduleView(Answer):
    """A schedule as it stands. `next` are its next times; its firings are shown one schedule at a time."""

    id: UUID
    correlation_id: UUID
    kind: str
    name: str | None
    status: str
    schedule: dict[str, Any] | None
    next_at: datetime | None
    next: list[datetime]
    firings: list[Firing]
    reason: str
    created_at: datetime
    links: dict[str, str]
    mistakes: list[Mistake] = []


class JobEvent(Answer):
    """A server-sent event of a job: its name (`job.progressed` …), its sequence, its data."""

    name: str
    sequence: str
    data: dict[str, Any]
