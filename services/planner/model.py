"""Rows of the planner and what they may become."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic_core import from_json

from shared.events.jobs import FailureCount, JobState
from shared.events.payloads import Processing
from shared.events.tasks import Call, FactsWanted, Purpose
from shared.ids import derived_id
from shared.specification.invoke import Invoke
from shared.specification.job import Answer
from shared.specification.request import Pages, Records, Request
from shared.specification.scalars import Scalar
from shared.specification.source import Output, Poll
from shared.specification.values import SecretReference, Strict
from shared.specification.vendor import Callbacks, Retry, Url

PROGRESS_SECONDS = 0.25
"""The least time between two reports of a job's progress."""

PRIORITIES = {"high": 0, "normal": 1, "low": 2}


class Single(Strict):
    """A job of one call: a `request` whose answer is handed back, or a webhook to `deliver` to its `url`."""

    kind: Literal["request", "deliver"]
    request: Request
    url: Url | None = None
    answer: Answer = Answer()
    retry: Retry | None = None
    secret: SecretReference | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What paging walks through: a request, which with `paged` is a template in which placeholders of pages are left to
    fill, and what is selected from each answer."""

    request: Request
    records: Records
    paged: bool = False


class Resolved(Strict):
    """What a job runs with, written down when it is accepted: nothing that changes later changes a running job.

    Exactly one of `poll`, `invoke` and `single` is there. `base_url` is set for an ad-hoc vendor. `pages` replaces
    automatic paging once its style was found. `paged`: the request of the poll has placeholders of pages, which are
    filled page by page. An invocation keeps its placeholders, which are filled job by job, the `parameters` for them,
    and the vendor's rules for `callbacks`. `correlation_id` is the one that the job was asked for with.
    """

    vendor: str
    base_url: str | None = None
    source: str
    poll: Poll | None = None
    paged: bool = False
    invoke: Invoke | None = None
    single: Single | None = None
    pages: Pages | None = None
    output: Output = Output()
    parameters: dict[str, Scalar] = {}
    callbacks: Callbacks = Callbacks()
    correlation_id: UUID | None = None

    @property
    def kind(self) -> str:
        """What sort of job it is, as users know it."""
        if self.single is not None:
            return self.single.kind
        return "poll" if self.invoke is None else "invoke"

    @property
    def walk(self) -> Walk:
        """The poll, where there is one."""
        assert self.poll is not None
        return Walk(self.poll.request, self.poll.records, self.paged)

    @property
    def paging(self) -> Pages:
        """The paging in force."""
        assert self.poll is not None
        return self.pages or self.poll.pages

    @property
    def records(self) -> Records:
        """Which part of a page is records."""
        work = self.poll or self.invoke
        return work.records if work else Records()

    @property
    def priority(self) -> int:
        """0 goes first."""
        return PRIORITIES[self.output.priority]

    @property
    def processing(self) -> Processing:
        """What the processor is to do with each page."""
        keep: timedelta = self.output.payloads.keep
        return Processing(
            source=self.source,
            records=self.records,
            sinks=self.output.sinks,
            keep_seconds=keep.total_seconds(),
        )


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that a job needs. `position` is where it stands in the paging. A page that is planned after
    the answer to the page before it has a `unique_key`, under which it is planned only once: `paging/unique_key.py`.

    A submit has its `input`. A page of a vendor job's results has its `slice`: the number of the submit. A page that
    `expects_list` comes after one that had a list of records.
    """

    call: Call
    purpose: Purpose = "page"
    wanted: FactsWanted | None = None
    position: int = 0
    unique_key: str | None = None
    slice: int | None = None
    input: Mapping[str, Scalar] | None = None
    expects_list: bool = False

    @property
    def size(self) -> int:
        """Bytes of its call, as its row has it."""
        return len(self.call.model_dump_json(exclude_defaults=True).encode())


class TaskRef(NamedTuple):
    """Which task, of which job, in which round, and the job's correlation id: the fields that every event about a task
    begins with."""

    task_id: UUID
    job_id: UUID
    number: int
    round: int = 0
    correlation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A planned call with its number in the job."""

    id: UUID
    job_id: UUID
    number: int
    planned: PlannedCall

    def ref(self, resolved: Resolved) -> TaskRef:
        """The task in its first round. `resolved` is what its job runs with."""
        return TaskRef(self.id, self.job_id, self.number, correlation_id=resolved.correlation_id)


def task_id(job_id: UUID, number: int) -> UUID:
    """Always the same for the same place in the same job, so that planning twice plans the same tasks."""
    return derived_id("task", job_id, number)


def number_tasks(job_id: UUID, planned: list[PlannedCall], first: int) -> list[Task]:
    """Give calls their places, from `first` on."""
    return [Task(task_id(job_id, number), job_id, number, call) for number, call in enumerate(planned, first)]


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed tasks of a job: the commonest reasons first, and how many of the tasks are `dead` and `expired`."""

    reasons: tuple[FailureCount, ...] = ()
    dead: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as the table has it. `barren`: pages without a single new record, as `track/decide.py` counts them.
    `shrank`: the vendor's total went down while pages were read. `cuts`: why the results of vendor jobs could not be
    walked to their end, by the numbers of their submits. `redriven_to`: the number up to which failed tasks
    have been planned again, where that is not over."""

    id: UUID
    state: JobState
    resolved: Resolved
    planned: int
    open: int
    completed: int
    failed: int
    cancelled: int
    records: int
    distinct: int
    expected: int | None
    barren: int
    discovery_over: bool
    reason: str
    since_progress_seconds: float
    shrank: bool = False
    cuts: Mapping[int, str] = field(default_factory=dict)
    redriven_to: int | None = None

    @property
    def is_open(self) -> bool:
        """Not over yet."""
        return self.state in (JobState.RUNNING, JobState.PAUSED)

    @property
    def progress_is_due(self) -> bool:
        """Long enough ago that its progress was reported."""
        return self.since_progress_seconds > PROGRESS_SECONDS

    @classmethod
    def of(cls, row: Any, resolved: Resolved) -> "JobRow":
        """From the columns of `lock_jobs.sql`, with the specification as it was read."""
        return cls(
            id=row["id"],
            state=JobState(row["state"]),
            resolved=resolved,
            planned=row["planned"],
            open=row["open"],
            completed=row["completed"],
            failed=row["failed"],
            cancelled=row["cancelled"],
            records=row["records"],
            distinct=row["distinct_records"],
            expected=row["expected"],
            barren=row["barren"],
            discovery_over=row["discovery_over"],
            reason=row["reason"],
            since_progress_seconds=row["since_progress_seconds"],
            shrank=row["shrank"],
            cuts={int(submit): why for submit, why in from_json(row["cuts"]).items()},
            redriven_to=row["redriven_to"],
        )
