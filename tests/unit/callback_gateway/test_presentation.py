"""What the API shows of a job, from its row."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.callback_gateway.http.presentation import job_body

ROW: dict[str, Any] = {
    **dict.fromkeys(("ended_at", "reason", "note", "expected", "complete", "mistakes", "answer"), None),
    **dict.fromkeys(("planned", "completed", "failed", "cancelled", "records", "distinct_records"), 0),
    **{"id": UUID(int=1), "kind": "poll", "state": "running", "vendor": "acme", "source": "acme/items"},
}
HOURS_AGO = timedelta(hours=3)


def shown(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    row: Any = {**ROW, "created_at": now - HOURS_AGO, "updated_at": now, **more}
    return job_body(row, {}, [])


def test_the_end_is_estimated_from_what_was_done_so_far() -> None:
    job = shown(planned=400, completed=70, failed=20, cancelled=10)
    assert job["percent"] == 25.0
    left = job["finish_estimate_at"] - datetime.now(UTC)
    assert left / HOURS_AGO == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize(
    "row",
    [
        {"planned": 0},
        {"planned": 400},
        {"planned": 400, "completed": 400},
        {"planned": 400_000, "completed": 10},
        {"planned": 400, "completed": 100, "ended_at": datetime.now(UTC)},
    ],
)
def test_where_nothing_can_be_said_nothing_is(row: dict[str, Any]) -> None:
    assert shown(**row)["finish_estimate_at"] is None


def test_completeness_is_told_where_the_vendor_told_a_total() -> None:
    assert shown()["completeness"] is None
    told = {"expected": 500, "distinct": 450, "complete": False}
    assert shown(expected=500, distinct_records=450, complete=False)["completeness"] == told
