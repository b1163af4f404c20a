"""A submit, what may be done about it, and both together as one transition. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.planner.model import Resolved, TaskRef
from services.planner.waiting import DueKind
from shared.events.tasks import TaskState
from shared.specification.scalars import Scalar
from shared.specification.vendor_jobs import Reported


@dataclass(frozen=True, slots=True)
class Submit:
    """A submit and what is known of its vendor job. `reported` is what the vendor said became of the job, kept until
    the vendor's id is known; `beat` counts the reports of progress, `ask` the questions for the status. `submitted_at`
    is not stored: it comes with the submit's answer."""

    id: UUID
    job_id: UUID
    number: int
    round: int
    state: TaskState
    input: Mapping[str, Scalar]
    deadline_at: datetime | None = None
    submitted: bool = False
    submitted_at: datetime | None = None
    vendor_job: str | None = None
    reported: Reported | None = None
    beat: int = 0
    ask: int = 0
    reason: str = ""

    def ref(self, resolved: Resolved) -> TaskRef:
        """The task in its round. `resolved` is what its job runs with."""
        return TaskRef(self.id, self.job_id, self.number, self.round, resolved.correlation_id)


@dataclass(frozen=True, slots=True)
class End:
    """The task is over: its end is reported, and its callback is no longer expected."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Its callback is expected under the vendor's id and until the deadline that it has now."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask the vendor for the status."""


@dataclass(frozen=True, slots=True)
class EndVendorJob:
    """Call the vendor's `abort`: its job is no longer needed."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Look again after a time; `number` is the beat or ask that it belongs to. `in_grace`: no further grace follows."""

    kind: DueKind
    after: timedelta
    number: int
    in_grace: bool = False


Effect = End | Expect | AskStatus | EndVendorJob | Wake


@dataclass(frozen=True, slots=True)
class Transition:
    """The task after what it heard, and what others are to hear of that: each effect once, of the task as it is in the
    end."""

    task: Submit
    effects: tuple[Effect, ...] = ()

    def then(self, task: Submit, *effects: Effect) -> "Transition":
        """The task moves on, with these effects besides."""
        return Transition(task, tuple(dict.fromkeys((*self.effects, *effects))))
