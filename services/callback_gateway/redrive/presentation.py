"""Dead letters → what the API shows. Pure."""

import base64
import re
from typing import Any
from uuid import UUID

from shared.database.pool import Row
from shared.events.envelope import TRACEPARENT, repeats

_ATTEMPT = re.compile(r"attempt (\d{1,9}):")
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-.*")


def letter_body(row: Row) -> dict[str, Any]:
    """A dead letter in a list."""
    return {
        "id": str(row["id"]),
        "service": row["service"],
        "topic": row["topic"],
        "reason": row["reason"],
        "error": row["error"],
        "delivery": row["delivery"],
        "state": row["state"],
        "redrives": row["redrives"],
        "note": row["note"],
        "changed_at": row["changed_at"],
        "at": row["at"],
        "job_id": row["job_id"] and str(row["job_id"]),
        "task_id": row["task_id"] and str(row["task_id"]),
    }


def whole_letter_body(row: Row) -> dict[str, Any]:
    """A dead letter with its history and the message as it came, as text where it is text."""
    document = row["document"]
    original = document["original"]
    return {
        **letter_body(row),
        "history": document["history"],
        "attempts": _attempts(document),
        "trace_id": _trace_id(document),
        "original": {
            **{name: original[name] for name in ("topic", "partition", "offset", "timestamp")},
            "key": _text(original["key"]),
            "value": _text(original["value"]),
            "value_base64": original["value"],
            "headers": [[name, _text(value)] for name, value in original["headers"]],
        },
    }


def _attempts(document: dict[str, Any]) -> int:
    """How often its message was tried: a call by the number of its last attempt, anything else by its deliveries."""
    calls = [found for line in document["history"] if (found := _ATTEMPT.match(line))]
    return int(calls[-1][1]) if calls else repeats(document["delivery"]) + 1


def _trace_id(document: dict[str, Any]) -> str | None:
    """By the message's own header (W3C Trace Context); without one by its job, whose id is that of its trace."""
    for name, value in document["original"]["headers"]:
        if name == TRACEPARENT and (found := _TRACE.fullmatch(_text(value) or "")):
            return found[1]
    return document["job_id"] and UUID(document["job_id"]).hex


def _text(encoded: str | None) -> str | None:
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded).decode("utf-8")
    except ValueError:
        return None
