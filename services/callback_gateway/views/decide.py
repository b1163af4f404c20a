"""Events → rows of the read models. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import ValidationError

from services.callback_gateway.clocks import ALMOST
from shared.events.jobs import JobAccepted, JobEnded, JobEvent, JobPlanned, JobProgressed
from shared.events.tasks import END_RANK, TaskChanged
from shared.specification.source import Output

_OF_RECORDS = ("poll", "invoke")
_NEVER = datetime.min.replace(tzinfo=UTC)

Move: TypeAlias = JobProgressed | JobEnded


@dataclass(slots=True)
class TaskView:
    """A task as a batch of events leaves it: the furthest state of the latest round, all attempts, all times."""

    id: UUID
    job_id: UUID
    number: int
    round: int = -1
    state: str = ""
    rank: int = -1
    records: int | None = None
    reason: str = ""
    changed_at: datetime = _NEVER
    vendor_job: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    times: dict[str, datetime] = field(default_factory=dict)


def task_views(events: Iterable[TaskChanged]) -> list[TaskView]:
    """One view for each task, in the order of their ids."""
    views: dict[UUID, TaskView] = {}
    for event in events:
        view = views.setdefault(event.task_id, TaskView(event.task_id, event.job_id, event.number))
        if event.attempt is not None:
            view.attempts.append(event.attempt.model_dump(mode="json", exclude={"type"}))
        view.times[event.state.value] = max(event.at, view.times.get(event.state.value, event.at))
        view.records = event.records if event.records is not None else view.records
        if event.round >= view.round:
            known = view.vendor_job if event.round == view.round else None
            view.vendor_job = event.vendor_job or known
        if _is_ahead(event, view):
            view.round, view.rank, view.state = event.round, event.state.rank, event.state.value
            view.reason, view.changed_at = event.reason, event.at
    return sorted(views.values(), key=lambda view: view.id)


def planned_again(views: Iterable[TaskView]) -> dict[UUID, int]:
    """The rounds of the tasks that were planned again, however that came about."""
    return {view.id: view.round for view in views if view.round > 0}


def sinks_of(event: JobAccepted) -> list[Any]:
    """Where the records of a job go; single calls have none. Sinks of a newer planner are shown as they
    are."""
    if event.kind not in _OF_RECORDS:
        return []
    written = event.specification.get("output", {})
    try:
        return [sink.model_dump(mode="json") for sink in Output.model_validate(written).sinks]
    except ValidationError:
        found = written.get("sinks") if isinstance(written, dict) else None
        return found if isinstance(found, list) else []


def latest_plans(events: Iterable[JobPlanned]) -> list[JobPlanned]:
    """The newest plan of each job, in the order of their ids. Once all tasks are known, they stay known."""
    plans: dict[UUID, JobPlanned] = {}
    for event in events:
        before = plans.get(event.job_id)
        known = event.all_known or (before is not None and before.all_known)
        plans[event.job_id] = event.model_copy(update={"all_known": known})
    return sorted(plans.values(), key=lambda event: event.job_id)


def latest_moves(events: Iterable[JobEvent]) -> dict[UUID, Move]:
    """The newest progress or end of each job. A dead planner's message may be produced after a newer one."""
    latest: dict[UUID, Move] = {}
    for event in events:
        match event:
            case JobProgressed(state=state) if state.is_end:
                continue  # progress reported after the job's end changes nothing
            case JobProgressed() | JobEnded():
                before = latest.get(event.job_id)
                if before is None or _is_news(before, event):
                    latest[event.job_id] = event
    return latest


def _is_news(before: Move, event: Move) -> bool:
    """The same rule as in the statements that write it: events of almost the same time count in the order in which they
    were read."""
    if isinstance(before, JobEnded):
        return before.at < event.at
    return before.at <= event.at + ALMOST


def _is_ahead(event: TaskChanged, view: TaskView) -> bool:
    """Rounds and ranks only grow. At the same rank the later state counts, but of two ends the first."""
    new, known = (event.round, event.state.rank), (view.round, view.rank)
    if new != known:
        return new > known
    return event.at < view.changed_at if event.state.rank == END_RANK else event.at >= view.changed_at
