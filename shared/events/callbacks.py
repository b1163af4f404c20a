"""Events of callbacks: which are expected, and which came."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.envelope import Event
from shared.specification.vendor import Callbacks


class CallbackExpected(Event):
    """A task waits for a callback. Sent before the submit goes out, so that no callback can be the first to know.

    Sent again when the vendor's job id is known, and with `over` when the wait has ended: what comes after that is
    late. `rules` are the vendor's as they were when the job was released. `submitted_at`, sent with the submit's
    answer, is when the call left that was answered: before that the vendor can have said nothing of this job.
    """

    type: Literal["callback.expected"] = "callback.expected"
    task_id: UUID
    job_id: UUID
    number: int
    round: int
    correlation_id: UUID | None = None
    vendor: str
    rules: Callbacks
    deadline_at: datetime
    vendor_job: str | None = None
    submitted_at: datetime | None = None
    over: bool = False


class CallbackReceived(Event):
    """A verified callback, as it came. By token, good until `expires_at`, it names a task and its round, else a
    vendor's job.

    What it says of the job is read when it is matched, by the rules that the job runs with. `body` is base64.
    """

    type: Literal["callback.received"] = "callback.received"
    callback_id: UUID
    vendor: str
    task_id: UUID | None = None
    round: int = 0
    expires_at: datetime | None = None
    vendor_job: str | None = None
    headers: dict[str, str] = {}
    body: str = ""
    received_at: datetime


class TaskDue(Event):
    """A timer of a waiting task. `beat` is the number of the progress that it was set at: a heartbeat that is out of
    date means nothing. `ask` numbers the questions for the status. `due_at` is the time that it was set for.
    `in_grace`: the timer before it came late, and this one ends the grace."""

    type: Literal["task.due"] = "task.due"
    task_id: UUID
    job_id: UUID
    round: int
    kind: Literal["deadline", "heartbeat", "status"]
    beat: int = 0
    ask: int = 0
    due_at: datetime
    in_grace: bool = False
