"""What an order to redrive means for the tasks that it names."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

import pytest

from services.planner.control.decide import FoundTask, Redrive, effect_of, look_at
from services.planner.ending import without_cuts
from services.planner.model import Resolved
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.specification.invoke import Invoke
from shared.specification.source import Poll
from tests.unit.planner.job_rows import job_row

TASK, STRANGER = UUID(int=1), UUID(int=2)


CUT = "results of task 3: vendor_malformed: the body is HTML"
TOO, OTHERS = "results of task 7: paging stopped at task 9: status_500; again", "results of others: cut off, too"


@pytest.mark.parametrize(
    ("reason", "resumed", "left"),
    [
        (CUT, {3}, ""),
        (CUT, {30}, CUT),
        (CUT, (), CUT),
        ("cursor_loops: x", {3}, "cursor_loops: x"),
        (f"{CUT}; {TOO}; cursor_loops: x", {7}, f"{CUT}; cursor_loops: x"),
        (f"{CUT}; {TOO}; {OTHERS}", {3}, TOO),
        (f"{CUT}; {OTHERS}", {7}, f"{CUT}; {OTHERS}"),
    ],
)
def test_the_reason_of_an_invocation_outlives_a_redrive_that_does_not_mend_it(
    reason: str, resumed: Collection[int], left: str
) -> None:
    submit = {"path": "/x", "query": {"url": "{callback.url}"}}
    invoke = Invoke.model_validate({"submit": submit, "deadline": "1h"})
    resolved = Resolved(vendor="acme", source="x", invoke=invoke)
    row = job_row(state=JobState.FAILED, resolved=resolved, planned=5, open=0, completed=4, failed=1, reason=reason)
    redrive = JobControl(job_id=row.id, action="redrive")
    ordered = effect_of(row, redrive)
    assert isinstance(ordered, Redrive)
    assert without_cuts(ordered.job.reason, resumed) == left
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
