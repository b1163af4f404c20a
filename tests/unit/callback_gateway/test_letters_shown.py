"""What the API shows of a dead letter."""

import base64
from typing import Any
from uuid import UUID

import pytest

from services.callback_gateway.redrive.presentation import whole_letter_body

JOB = UUID("01a1fc57-a9c1-72fd-8640-afd1711e030b")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def shown(*headers: tuple[str, str], **more: Any) -> dict[str, Any]:
    encoded = [[name, base64.b64encode(value.encode()).decode()] for name, value in headers]
    original = {"topic": "t", "partition": 0, "offset": 0, "timestamp": "", "key": None, "value": None}
    document = {"history": [], "delivery": 0, "job_id": None, "original": {**original, "headers": encoded}, **more}
    names = ("id", "service", "topic", "reason", "error", "delivery", "state", "redrives", "note", "changed_at", "at")
    row: Any = {**dict.fromkeys((*names, "job_id", "task_id")), "document": document}
    return whole_letter_body(row)


@pytest.mark.parametrize(
    ("history", "delivery", "attempts"),
    [
        (["attempt 4: timeout", "attempt 5: timeout"], 0, 5),
        ([], 4, 5),
        (["bug: it broke"], 10_002, 3),
    ],
)
def test_the_attempts_of_a_call_count_and_the_deliveries_of_anything_else(
    history: list[str], delivery: int, attempts: int
) -> None:
    assert shown(history=history, delivery=delivery)["attempts"] == attempts


def test_the_trace_is_that_of_the_message_or_of_its_job() -> None:
    header = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")
    assert shown(header, job_id=str(JOB))["trace_id"] == TRACE
    assert shown(("traceparent", "strange"), job_id=str(JOB))["trace_id"] == JOB.hex
    assert shown()["trace_id"] is None
