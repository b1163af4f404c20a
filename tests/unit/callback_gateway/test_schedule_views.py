"""Facts of schedules, in any order and more than once, make the same view."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.schedules.decide import firing_views, schedule_views
from shared.events.schedules import ScheduleChanged, ScheduleFact, ScheduleState

ID, AT = UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC)
PLANNED = AT - timedelta(seconds=1)


def fact(kind: str, second: int, state: str = "active", **more: object) -> ScheduleChanged:
    about = {"schedule_id": ID, "fact": kind, "state": state, "at": AT + timedelta(seconds=second), **more}
    return ScheduleChanged.model_validate(about)


STORY = [
    fact("created", 0, schedule={"every": "1h"}, name="hourly", next_at=PLANNED),
    fact("fired", 1, planned_at=PLANNED, job_id=UUID(int=2)),
    fact("rescheduled", 2, planned_at=PLANNED, job_id=UUID(int=3), attempt=1, reason="down"),
    fact("fired", 3, planned_at=PLANNED, job_id=UUID(int=3), attempt=1),
    fact("succeeded", 4, planned_at=PLANNED, job_id=UUID(int=3), attempt=1),
    fact("removed", 5, "removed"),
]


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=4))
def test_the_order_of_facts_does_not_matter(story: list[ScheduleChanged], again: list[ScheduleChanged]) -> None:
    [view] = schedule_views([*story, *again])
    assert (view.state, view.name, view.document) == (ScheduleState.REMOVED, "hourly", {"every": "1h"})
    [firing] = firing_views([*story, *again])
    assert (firing.verdict, firing.attempt, firing.job_id) == ("succeeded", 1, UUID(int=3))
    assert (firing.fired_at, firing.ended_at) == (AT + timedelta(seconds=1), AT + timedelta(seconds=4))


def test_what_was_missed_or_skipped_never_fired() -> None:
    for kind in (ScheduleFact.MISSED, ScheduleFact.SKIPPED):
        [firing] = firing_views([fact(kind, 1, planned_at=PLANNED, reason="late")])
        assert (firing.verdict, firing.fired_at, firing.reason) == (kind.value, None, "late")
