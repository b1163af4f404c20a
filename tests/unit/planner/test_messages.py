"""Who hears of the end of a job."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import TypeAdapter

from services.planner.messages import ended
from services.planner.model import JobRow, Resolved
from shared.events.jobs import JobState
from shared.specification.notify import Notify
from shared.specification.source import Output, Poll

NOTIFY: TypeAdapter[Any] = TypeAdapter(Notify)
WEBHOOK = {"webhook": "https://me.example/done", "on": ["failed"]}


def job(notify: list[dict[str, Any]]) -> JobRow:
    output = Output(notify=NOTIFY.validate_python(notify))
    resolved = Resolved(vendor="acme", source="items", poll=Poll(), output=output)
    stored = Resolved.model_validate_json(resolved.model_dump_json(by_alias=True, exclude_defaults=True))
    return JobRow(
        id=UUID(int=1),
        state=JobState.RUNNING,
        resolved=stored,
        planned=1,
        open=0,
        completed=1,
        failed=0,
        cancelled=0,
        records=1,
        distinct=1,
        expected=None,
        barren=0,
        discovery_over=True,
        reason="",
        since_progress_seconds=0.0,
    )


@pytest.mark.parametrize(
    ("notify", "webhooks"),
    [
        ([], None),
        ([{"topic": True, "on": ["completed"]}], None),
        ([{"topic": True}], []),
        ([{"topic": True, "on": ["failed"]}, WEBHOOK], ["https://me.example/done"]),
        ([WEBHOOK], ["https://me.example/done"]),
    ],
)
def test_a_message_on_the_topic_needs_no_webhook(notify: list[dict[str, Any]], webhooks: list[str] | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    told = {one.topic: orjson.loads(one.value or b"") for one in ended(job(notify), JobState.FAILED, now)}
    found = told.get("notifications")
    assert (found and [one["webhook"] for one in found.get("webhooks", [])]) == webhooks
    if found:
        assert (found["text"], found["event"]["data"]["status"]) == (f"job {UUID(int=1)} of items: failed", "failed")
