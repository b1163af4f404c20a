"""What an order to redrive means for the tasks that it names."""

from dataclasses import replace
from uuid import UUID

import pytest

from services.planner.control.decide import FoundTask, Redrive, effect_of, look_at
from services.planner.model import Resolved
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.specification.invoke import Invoke
from shared.specification.source import Poll
from tests.unit.planner.job_rows import job_row

TASK, STRANGER = UUID(int=1), UUID(int=2)


def test_why_an_invocation_is_incomplete_outlives_an_order_to_redrive() -> None:
    """Which results are walked on is known only with the tasks that are planned again."""
    submit = {"path": "/x", "query": {"url": "{callback.url}"}}
    invoke = Invoke.model_validate({"submit": submit, "deadline": "1h"})
    resolved = Resolved(vendor="acme", source="x", invoke=invoke)
    cuts = {3: "vendor_malformed: the body is HTML"}
    row = job_row(state=JobState.FAILED, resolved=resolved, open=0, failed=1, reason="cursor_loops: x", cuts=cuts)
    redrive = JobControl(job_id=row.id, action="redrive")
    ordered = effect_of(row, redrive)
    assert isinstance(ordered, Redrive)
    assert (ordered.job.reason, ordered.job.cuts) == ("cursor_loops: x", cuts)
    polled = resolved.model_copy(update={"invoke": None, "poll": Poll()})
    ordered = effect_of(replace(row, resolved=polled), redrive)
    assert isinstance(ordered, Redrive)
    assert ordered.job.reason == ""


@pytest.mark.parametrize(
    ("state", "round", "ordered", "expected"),
    [
        (TaskState.DEAD, 0, 0, "ready"),
        (TaskState.FAILED, 2, 2, "ready"),
        (TaskState.EXPIRED, 1, None, "ready"),
        (TaskState.RELEASED, 0, 0, "early"),
        (TaskState.STORED, 3, None, "early"),
        (TaskState.PLANNED, 1, 0, ""),
        (TaskState.DEAD, 1, 0, ""),
        (TaskState.COMPLETED, 0, 0, ""),
        (TaskState.CANCELLED, 0, None, ""),
    ],
)
def test_a_named_task_is_redriven_waited_for_or_left(
    state: TaskState, round: int, ordered: int | None, expected: str
) -> None:
    control = JobControl(job_id=UUID(int=9), action="redrive", task_ids=(TASK, STRANGER), round=ordered)
    named = look_at(control, [FoundTask(TASK, round, state)])
    assert named.ready == ((TASK,) if expected == "ready" else ())
    assert named.early == ((TASK,) if expected == "early" else ())
    assert named.unknown == (STRANGER,)
