"""A submit of a vendor job, and the events that it may hear."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.planner.invoke.model import Submit
from services.planner.model import Resolved
from shared.events.callbacks import TaskDue
from shared.events.tasks import TaskChanged, TaskState
from shared.specification.invoke import Invoke
from shared.specification.vendor import Callbacks
from shared.specification.vendor_jobs import Reported
from tests.unit.planner.job_rows import JOB

TASK = UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBMIT = {"method": "POST", "path": "/reports", "json": {"month": "{input.month}", "url": "{callback.url}"}}
RESULTS = {"request": {"path": "/reports/{vendor_job}/rows", "query": {"month": "{input.month}"}}}


def resolved(callbacks: dict[str, Any] | None = None, **invoke: Any) -> Resolved:
    document = {"submit": SUBMIT, "vendor_job": "body.id", "deadline": "1h", "results": RESULTS, **invoke}
    return Resolved(
        vendor="acme",
        source="reports",
        invoke=Invoke.model_validate(document),
        callbacks=Callbacks.model_validate(callbacks or {}),
    )


def waits(**more: Any) -> Submit:
    return Submit(TASK, JOB, 0, 0, TaskState.RELEASED, {"month": "2026-01"}, NOW, **more)


def heard(
    *, reported: Reported | None = None, purpose: Any = None, vendor_job: str | None = None, round: int = 0
) -> TaskChanged:
    return TaskChanged(
        task_id=TASK,
        job_id=JOB,
        number=0,
        round=round,
        state=TaskState.WAITING,
        service="fetcher",
        at=NOW,
        purpose=purpose,
        vendor_job=vendor_job,
        reported=reported,
    )


def due(kind: Any, *, round: int = 0, **more: Any) -> TaskDue:
    return TaskDue(task_id=TASK, job_id=JOB, round=round, kind=kind, **{"due_at": NOW + timedelta(hours=1), **more})
