"""Task events in any order, any of them twice, give one view."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.views.decide import latest_plans, sinks_of, task_views
from shared.database.storable import storable_json, storable_text
from shared.events.jobs import JobAccepted, JobPlanned
from shared.events.tasks import TaskChanged, TaskState

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
JOB = UUID(int=1)


def changed(state: TaskState, second: int, *, round: int = 0, task: int = 2) -> TaskChanged:
    return TaskChanged(
        task_id=UUID(int=task),
        job_id=JOB,
        number=task,
        round=round,
        state=state,
        service="fetcher",
        at=BEGAN + timedelta(seconds=second),
        reason=f"at {second}",
    )


def accepted(kind: str, specification: dict[str, Any]) -> JobAccepted:
    return JobAccepted(job_id=JOB, kind=kind, vendor="v", source="s", specification=specification, at=BEGAN)


def test_the_sinks_of_a_job_are_those_that_it_runs_with() -> None:
    assert sinks_of(accepted("poll", {})) == [{"type": "postgres", "table": "records"}]
    assert sinks_of(accepted("invoke", {"output": {"sinks": [{"type": "topic"}]}})) == [{"type": "topic"}]
    assert sinks_of(accepted("request", {})) == []
    later = [{"type": "bucket"}]
    assert sinks_of(accepted("poll", {"output": {"sinks": later}})) == later
    assert sinks_of(accepted("poll", {"output": 7})) == []


def test_of_two_plans_the_later_counts_and_what_is_known_stays_known() -> None:
    plans = [JobPlanned(job_id=JOB, tasks=n, all_known=n == 2, at=BEGAN) for n in (1, 2, 3)]
    [plan] = latest_plans(plans)
    assert (plan.tasks, plan.all_known) == (3, True)


HISTORIES = st.lists(
    st.tuples(st.sampled_from(TaskState), st.integers(0, 2), st.integers(2, 4)), min_size=1, max_size=12
).map(lambda told: [changed(state, n, round=round, task=task) for n, (state, round, task) in enumerate(told)])


@given(HISTORIES, st.data())
def test_order_and_repetition_of_events_do_not_matter(history: list[TaskChanged], data: st.DataObject) -> None:
    repeated = history + data.draw(st.lists(st.sampled_from(history), max_size=5))
    assert task_views(data.draw(st.permutations(repeated))) == task_views(history)


@given(HISTORIES)
def test_a_view_never_moves_back(history: list[TaskChanged]) -> None:
    reached: dict[UUID, tuple[int, int]] = {}
    for length in range(1, len(history) + 1):
        for view in task_views(history[:length]):
            assert (view.round, view.rank) >= reached.get(view.id, (0, 0))
            reached[view.id] = (view.round, view.rank)


def test_of_two_ends_the_first_counts_as_it_does_for_the_planner() -> None:
    [view] = task_views([changed(TaskState.DEAD, 3), changed(TaskState.COMPLETED, 2)])
    assert (view.state, view.reason) == ("completed", "at 2")


def test_a_redriven_task_begins_again() -> None:
    [view] = task_views([changed(TaskState.FAILED, 5), changed(TaskState.PLANNED, 6, round=1)])
    assert (view.round, view.state) == (1, "planned")


def test_the_vendors_job_is_the_one_of_the_latest_round() -> None:
    first = changed(TaskState.WAITING, 1).model_copy(update={"vendor_job": "r1"})
    again = changed(TaskState.PLANNED, 2, round=1)
    second = changed(TaskState.WAITING, 3, round=1).model_copy(update={"vendor_job": "r2"})
    for events, known in (([first, again], None), ([again, first], None), ([second, again, first], "r2")):
        [view] = task_views(events)
        assert view.vendor_job == known


def test_nul_is_replaced_where_it_is_one() -> None:
    assert storable_text("a\0b") == "a\ufffdb"
    assert storable_json(b'"\\u0000\\u0000 \\\\u0000 \\\\\\u0000"') == b'"\\ufffd\\ufffd \\\\u0000 \\\\\\ufffd"'
