"""What a gateway answers, as data."""

from typing import Any
from uuid import UUID

import orjson

JOB_ID = UUID("01900000-0000-7000-8000-000000000001")
AT = "2026-11-20T12:00:00+00:00"


def job(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(JOB_ID),
        "kind": "poll",
        "status": "completed",
        "vendor": "acme",
        "source": "acme-items",
        "created_at": AT,
        "updated_at": AT,
        "ended_at": AT,
        "reason": "",
        "note": "",
        "total": {"records": 100, "tasks": 10},
        "counts": {"completed": 10},
        "records": 100,
        "distinct": 100,
        "percent": 100.0,
        "finish_estimate_at": None,
        "completeness": None,
        "failures": [],
        "links": {},
        **fields,
    }


def task(number: int) -> dict[str, Any]:
    attempt = {"attempt": 1, "started_at": AT, "seconds": 0.1, "egress": "direct", "status": 200, "verdict": "success"}
    return {
        "id": str(UUID(int=number)),
        "number": number,
        "round": 0,
        "state": "completed",
        "records": 10,
        "reason": "",
        "attempts": [attempt],
        "times": {"planned": AT},
    }


def reference() -> dict[str, Any]:
    return {"id": str(JOB_ID), "kind": "poll", "status": "requested", "links": {"self": f"/jobs/{JOB_ID}"}}


def schedule_reference() -> dict[str, Any]:
    return {
        "id": str(JOB_ID),
        "correlation_id": str(JOB_ID),
        "kind": "schedule",
        "status": "requested",
        "next_at": AT,
        "links": {"self": f"/schedules/{JOB_ID}"},
    }


def schedule(**fields: Any) -> dict[str, Any]:
    firing = {
        "planned_at": AT,
        "verdict": "succeeded",
        "job_id": str(JOB_ID),
        "attempt": 0,
        "fired_at": AT,
        "late_ms": 4,
        "ended_at": AT,
        "reason": "",
    }
    return {
        **schedule_reference(),
        "status": "active",
        "name": "nightly",
        "schedule": {"cron": "0 3 * * *", "zone": "Europe/Berlin", "start": {"source": "acme-items"}},
        "next": [AT],
        "firings": [firing],
        "reason": "",
        "created_at": AT,
        **fields,
    }


def event(sequence: int, name: str, **data: Any) -> bytes:
    return f"id: {sequence}\nevent: job.{name}\ndata: ".encode() + orjson.dumps({**data, "at": AT}) + b"\n\n"


def ended(sequence: int, state: str = "completed") -> bytes:
    counts = {"planned": 10, "completed": 10, "failed": 0, "cancelled": 0, "records": 100, "distinct": 100}
    return event(sequence, state, state=state, counts=counts)


def problem(status: int, detail: str, *errors: tuple[str, str]) -> dict[str, Any]:
    told = [{"pointer": pointer, "detail": text} for pointer, text in errors]
    return {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, "errors": told}
