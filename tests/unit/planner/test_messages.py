"""Who hears of the end of a job."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from services.planner.messages import ended
from services.planner.model import JobRow, Resolved
from shared.events.jobs import JobState
from shared.specification.notify import Notify
from shared.specification.source import Output, Poll
from tests.unit.planner.job_rows import JOB, job_row

NOTIFY: TypeAdapter[Any] = TypeAdapter(Notify)
WEBHOOK = {"webhook": "https://me.example/done", "on": ["failed"]}


def job(notify: list[dict[str, Any]]) -> JobRow:
    output = Output(notify=NOTIFY.validate_python(notify))
    resolved = Resolved(vendor="acme", source="items", poll=Poll(), output=output)
    stored = Resolved.model_validate_json(resolved.model_dump_json(by_alias=True, exclude_defaults=True))
    return job_row(resolved=stored, open=0, completed=1, records=1, distinct=1)


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
        assert (found["text"], found["event"]["data"]["status"]) == (f"job {JOB} of items: failed", "failed")
