"""Rows → what the API shows of schedules. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.database.pool import Row
from shared.events.schedules import ScheduleState
from shared.specification.recurrence import next_times
from shared.specification.schedule import Schedule

_NEXT = 5


def schedule_body(row: Row, firings: Sequence[Row]) -> dict[str, Any]:
    """A schedule."""
    body: dict[str, Any] = {
        "id": str(row["id"]),
        "correlation_id": str(row["id"]),
        "kind": "schedule",
        "name": row["name"],
        "status": row["state"],
        "schedule": row["document"],
        "next_at": row["next_at"],
        "next": _next(row),
        "firings": [_firing(one) for one in firings],
        "reason": row["reason"],
        "created_at": row["created_at"],
        "links": {"self": f"/schedules/{row['id']}"},
    }
    if row["mistakes"]:
        body["mistakes"] = row["mistakes"]
    return body


def _next(row: Row) -> list[datetime]:
    """The next planned times, counted from the one that was reported, which `every` goes on from."""
    first: datetime | None = row["next_at"]
    if first is None or row["state"] != ScheduleState.ACTIVE:
        return []
    try:
        schedule = Schedule.model_validate(row["document"])
    except ValidationError:
        return [first]
    return [first, *next_times(schedule, first, first, _NEXT - 1)]


def _firing(row: Row) -> dict[str, Any]:
    fired_at, planned_at = row["fired_at"], row["planned_at"]
    late = None if fired_at is None else round((fired_at - planned_at).total_seconds() * 1000)
    return {
        "planned_at": planned_at,
        "verdict": row["verdict"],
        "job_id": row["job_id"] and str(row["job_id"]),
        "attempt": row["attempt"],
        "fired_at": fired_at,
        "late_ms": late,
        "ended_at": row["ended_at"],
        "reason": row["reason"],
    }
