"""Events of tasks: calls to make, and every change of a task's state."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.payloads import Pointer, Processing
from shared.specification.values import Duration, Expression, SecretReference
from shared.specification.vendor import JobOutcome, Retry
from shared.specification.vendor_jobs import Reported

_MOST_OF_A_REASON = 500
OUTCOME_UNKNOWN = "outcome_unknown"
"""How the reason of a call begins that must not be repeated, and that the vendor may have carried out."""


def cut_reason(reason: str) -> str:
    """So much of a reason is sent and kept as is read by a person: it may have words of a vendor, who writes much."""
    return reason[:_MOST_OF_A_REASON]


class TaskState(StrEnum):
    """Where a task stands, in the order of `rank`; a lower rank never overwrites a higher one.

    The ranks, which SQL has as numbers: 0 planned; 1 released; 2 with the fetcher (`started`, `retrying`), or waiting
    for a callback; 3 and 4 fetched, and not yet processed (`stored`, `enqueued`); 9 every end.
    """

    PLANNED = "planned"
    RELEASED = "released"
    STARTED = "started"
    WAITING = "waiting"
    RETRYING = "retrying"
    STORED = "stored"
    ENQUEUED = "enqueued"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def rank(self) -> int:
        """The order of states. `started`, `waiting` and `retrying` may follow each other; all ends are equal."""
        return _RANKS[self]

    @property
    def is_end(self) -> bool:
        """Whether the task is over."""
        return self.rank == END_RANK

    @property
    def is_failure(self) -> bool:
        """Whether the task is over without what it was for, and can be planned again."""
        return self in _FAILURES


END_RANK = 9
_RANKS = {
    TaskState.PLANNED: 0,
    TaskState.RELEASED: 1,
    TaskState.STARTED: 2,
    TaskState.WAITING: 2,
    TaskState.RETRYING: 2,
    TaskState.STORED: 3,
    TaskState.ENQUEUED: 4,
    TaskState.COMPLETED: END_RANK,
    TaskState.FAILED: END_RANK,
    TaskState.DEAD: END_RANK,
    TaskState.CANCELLED: END_RANK,
    TaskState.EXPIRED: END_RANK,
}
_FAILURES = frozenset({TaskState.FAILED, TaskState.DEAD, TaskState.EXPIRED})


class Call(Event):
    """One HTTP call, ready to make: `path` is relative to the vendor's base URL, `url` (absolute) replaces it. A
    parameter with several values stands in the query once for each."""

    method: str = "GET"
    path: str = "/"
    url: str | None = None
    query: dict[str, str | tuple[str, ...]] = {}
    headers: dict[str, str] = {}
    body: Any = None


class FactsWanted(Event):
    """What the planner needs to know of an answer. Expressions are over {body, headers, status}.

    With `link`, what `next` finds is a URL, perhaps relative; without `next`, it is in the `Link` header. `detect`
    asks for everything that automatic paging can make use of. `growth`: all pages are known already, unless there have
    come to be more meanwhile. `expects_list`: the pages before had a list of records. Then a lone object is a problem,
    and an object with nothing in it an empty list. For the planner itself are `asked`, how many items the page was
    asked for, and `served`, how many the first page had, by which pages were counted.
    """

    total: Expression | None = None
    pages: Expression | None = None
    size: Expression | None = None
    next: Expression | None = None
    last: Expression | None = None
    select: Expression | None = None
    link: bool = False
    detect: bool = False
    growth: bool = False
    expects_list: bool = False
    asked: int | None = None
    served: int | None = None


class Facts(Event):
    """What an answer says about pages.

    `items` counts what the vendor put on the page, before records are selected from it; `has_list`, if they were in a
    list, and the page was no lone object; `next` is a cursor or URL, and `next_is_whole` if it was a whole number, no
    text; `problem` says why the answer could not be read, `digest` is the SHA-256 of the body (hex), `detected` is the
    style that automatic paging found, and `first` the number of the first page, where an answer tells that it is not 1.
    """

    total: int | None = None
    pages: int | None = None
    size: int | None = None
    items: int | None = None
    has_list: bool = False
    next: str | None = None
    next_is_whole: bool = False
    problem: str = ""
    digest: str = ""
    detected: Literal["none", "unknown", "offset", "page", "cursor", "next", "link"] | None = None
    detected_in: str = ""
    first: int | None = None


Purpose = Literal["metadata", "page", "submit", "status", "abort", "answer", "deliver"]
"""What a call is for; it decides what becomes of the answer."""


class SubmitWanted(Event):
    """The submit of an asynchronous vendor job. `vendor_job` finds the vendor's id in the answer; `{callback.url}` in
    the call stands for the task's callback URL, which is good for `deadline` from when the call leaves. In a `template`
    braces that are not a placeholder's are written twice; what is none is sent as it is."""

    vendor_job: Expression | None = None
    deadline: Duration
    template: bool


class AnswerWanted(Event):
    """The vendor's own answer is handed back: its status, these headers, its body."""

    headers: tuple[str, ...] = ()


class VendorAnswer(Event):
    """What a vendor answered in the end. The body is in the payload store; without a `status` nothing was answered."""

    status: int | None = None
    headers: dict[str, str] = {}
    body: Pointer | None = None
    reason: str = ""


class FetchRequested(Event):
    """One call to make for a task. `number` is the task's place in its job; `base_url` makes the vendor ad hoc.

    `retry` replaces the vendor's own policy. `sign` refers to the secret of an outgoing webhook, whose id is the
    task's. `correlation_id` is the job's, here as in all events of its tasks and records.
    """

    type: Literal["fetch.requested"] = "fetch.requested"
    task_id: UUID
    job_id: UUID
    number: int
    round: int = 0
    correlation_id: UUID | None = None
    vendor: str
    base_url: str | None = None
    purpose: Purpose = "page"
    call: Call
    facts: FactsWanted | None = None
    submit: SubmitWanted | None = None
    status: JobOutcome | None = None
    answer: AnswerWanted | None = None
    retry: Retry | None = None
    sign: SecretReference | None = None
    processing: Processing
    priority: int = 1


class Attempt(Event):
    """One try of a call: what was done, how long it took (seconds), what came of it."""

    attempt: Annotated[int, Field(ge=1, le=1_000_000)]
    started_at: datetime
    seconds: float
    egress: str = "direct"
    status: int | None = None
    verdict: str
    reason: str = ""


class TaskChanged(Event):
    """A task's state changed. `round` counts redrives: what belongs to an earlier round is out of date.

    `records` and `distinct` are set by the processor; `facts`, `attempt`, `answer` and `vendor_job` by the fetcher;
    `reported`, what the vendor says of its job, by the gateway (a callback) or the fetcher (a status answer).
    `purpose` is what the fetcher's call was for, where a task has calls of more than one.
    """

    type: Literal["task.changed"] = "task.changed"
    task_id: UUID
    job_id: UUID
    number: int
    round: int = 0
    correlation_id: UUID | None = None
    state: TaskState
    service: str
    at: datetime
    reason: str = ""
    attempt: Attempt | None = None
    facts: Facts | None = None
    records: int | None = None
    distinct: int | None = None
    purpose: Purpose | None = None
    vendor_job: str | None = None
    reported: Reported | None = None
    answer: VendorAnswer | None = None

    @property
    def ce_type(self) -> str:
        """The CloudEvents type names the state: `task.started` …"""
        return f"task.{self.state.value}"
