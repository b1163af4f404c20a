"""Rows → what the API shows. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, TypeAlias

from shared.database.pool import Row
from shared.events.jobs import JobState
from shared.specification.vendor import Window

Failures: TypeAlias = Sequence[Mapping[str, Any]]
"""How many tasks failed for one `reason`: their `count`."""

_MOST_COUNTED = 5000
"""So many tasks of a job are counted at each look at it. An index on their states would have them counted faster, and
would make every change of a state dearer: no update of a task could stay on its page."""
_LEAST_SECONDS, _LEAST_TASKS = 1.0, 1.0
"""Less than this says nothing about how fast a job goes on."""
_TOO_FAR = timedelta(days=3650)


def job_body(
    row: Row, counts: Mapping[str, int], failures: Failures, now: datetime, *, windows: Sequence[Window] = ()
) -> dict[str, Any]:
    """A job. `windows` are those of its vendor's contract, as far as it is known."""
    place = f"/jobs/{row['id']}"
    done = row["completed"] + row["failed"] + row["cancelled"]
    body: dict[str, Any] = {
        "id": str(row["id"]),
        "kind": row["kind"],
        "status": row["state"],
        "vendor": row["vendor"],
        "source": row["source"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "ended_at": row["ended_at"],
        "reason": row["reason"],
        "note": row["note"],
        "total": {"records": row["expected"], "tasks": row["planned"]},
        "counts": counts,
        "records": row["records"],
        "distinct": row["distinct_records"],
        "percent": _percent(row, done),
        "finish_estimate_at": _finish(row, done, now, windows),
        "completeness": _completeness(row),
        "sinks": row["sinks"] or [],
        "failures": list(failures),
        "links": {"self": place, "tasks": f"{place}/tasks", "events": f"{place}/events"},
    }
    if row["answer"]:
        body["answer"] = _answer(row["answer"])
        body["links"]["answer"] = f"{place}/answer"
    if row["mistakes"]:
        body["mistakes"] = row["mistakes"]
    if row["correlation_id"] is not None:
        body["correlation_id"] = str(row["correlation_id"])
    return body


def failures_of(row: Row) -> Failures:
    """Failed tasks by reason, as a job's end reported them; none before."""
    return (row["failures"] or []) if row["ended_at"] is not None else []


def known_failures(row: Row) -> Failures | None:
    """Failed tasks by reason where they need not be counted. The row of a job that is over has them as the planner
    counted them: single tasks are seen a moment later. The many tasks of one that runs are not looked at."""
    if row["ended_at"] is not None and row["failures"] is not None:
        return failures_of(row)
    if row["planned"] > _MOST_COUNTED and (row["ended_at"] is None or not row["failed"]):
        return []
    return None


def counts_of(row: Row | dict[str, Any]) -> dict[str, int]:
    """Tasks as the planner counted them. Of a job that is over they are counted by their ends. Of any other job `open`
    are those that have not ended, and `failed` includes those that are dead or expired."""
    if row["ended_at"] is None:
        ends = {name: row[name] for name in ("completed", "failed", "cancelled")}
        counts = {**ends, "open": row["planned"] - sum(ends.values())}
    else:
        apart = {name: row[name] for name in ("dead", "expired")}
        failed = row["failed"] - sum(apart.values())
        counts = {"completed": row["completed"], "failed": failed, **apart, "cancelled": row["cancelled"]}
    return {name: count for name, count in counts.items() if count > 0}


def needs_count(row: Row) -> bool:
    """Whether only a look at the tasks tells their states: while a job runs, unless it has too many of them."""
    return row["ended_at"] is None and row["planned"] <= _MOST_COUNTED


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    """What the vendor said in the end; its body has a link of its own."""
    found = answer.get("body") or {}
    about = {"bytes": found.get("size", 0), "media_type": found.get("media_type")}
    return {"status": answer.get("status"), "headers": answer.get("headers", {}), "reason": answer["reason"], **about}


def _completeness(row: Row) -> dict[str, Any] | None:
    if row["expected"] is None:
        return None
    return {"expected": row["expected"], "distinct": row["distinct_records"], "complete": row["complete"]}


def _percent(row: Row, done: int) -> float | None:
    """Of the tasks. While it is unknown how many will follow, those so far are no whole to take a share of."""
    planned: int = row["planned"]
    if not planned or not (row["all_known"] or row["ended_at"] is not None):
        return None
    return round(100 * done / planned, 1)


def _finish(row: Row, done: int, now: datetime, windows: Sequence[Window]) -> datetime | None:
    """At the rate of the last minutes in which the job ran, and no sooner than the contract allows; that nothing has
    ended since counts, too."""
    left = row["planned"] - done
    if row["state"] != JobState.RUNNING or not row["all_known"] or left <= 0 or row["reported_at"] is None:
        return None
    quiet = max(now - row["reported_at"], timedelta(0))
    seconds = row["lately_seconds"] + quiet.total_seconds()
    if seconds < _LEAST_SECONDS or row["lately_done"] < _LEAST_TASKS:
        return None
    wait = max(left * seconds / row["lately_done"], *(_least_seconds(window, left) for window in windows), 0.0)
    return now + timedelta(seconds=wait) if wait < _TOO_FAR.total_seconds() else None


def _least_seconds(window: Window, calls: int) -> float:
    """What so many calls take at least: a quota may be used at once, and then again when it is over."""
    per: float = window.per.total_seconds()
    if window.is_quota:
        return per * ((calls - 1) // window.requests)
    return per * max(calls - (window.burst or 1), 0) / window.requests


def task_body(row: Row) -> dict[str, Any]:
    """A task."""
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "round": row["round"],
        "state": row["state"],
        "records": row["records"],
        "reason": row["reason"],
        "attempts": sorted(row["attempts"], key=lambda attempt: attempt["started_at"]),
        "times": dict(sorted(_times(row["times"]).items(), key=itemgetter(1))),
        "vendor_job": row["vendor_job"],
        "callbacks": [one | _times({"received_at": one["received_at"]}) for one in row["callbacks"]],
    }


def _times(written: Mapping[str, str]) -> dict[str, datetime]:
    """Times as columns of JSON have them, to be shown like those of all other columns."""
    return {name: datetime.fromisoformat(time) for name, time in written.items()}


def callback_body(row: Row) -> dict[str, Any]:
    """A callback."""
    return {
        "id": str(row["id"]),
        "vendor": row["vendor"],
        "task_id": row["task_id"] and str(row["task_id"]),
        "round": row["round"],
        "vendor_job": row["vendor_job"],
        "reported": row["reported"],
        "verdict": row["verdict"],
        "received_at": row["received_at"],
    }
