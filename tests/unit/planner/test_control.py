"""What an order to redrive means for the tasks that it names."""

from uuid import UUID

import pytest

from services.planner.control.decide import Standing, look_at
from shared.events.jobs import JobControl
from shared.events.tasks import TaskState

TASK, STRANGER = UUID(int=1), UUID(int=2)


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
    named = look_at(control, [Standing(TASK, round, state)])
    assert named.ready == ((TASK,) if expected == "ready" else ())
    assert named.early == ((TASK,) if expected == "early" else ())
    assert named.unknown == (STRANGER,)
