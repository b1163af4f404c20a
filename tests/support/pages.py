"""Stored payloads and pages with chosen fields, for tests of the processor."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from services.processor.model import Page
from services.processor.process.decide import take_apart
from shared.events.payloads import PayloadStored, Pointer, Processing
from shared.ids import new_id
from shared.specification.request import Records
from shared.specification.source import PostgresSink, TopicSink

TABLE = PostgresSink(type="postgres")
TOPIC = TopicSink(type="topic")
KEYED = Records(key="id")


def stored_payload(
    pointer: Pointer | None = None,
    *,
    job_id: UUID | None = None,
    source: str = "acme-orders",
    records: Records = KEYED,
    sinks: tuple[PostgresSink | TopicSink, ...] = (TABLE,),
    keep_seconds: float = 0.0,
    fetched_at: datetime | None = None,
    expects_list: bool = False,
    correlation_id: UUID | None = None,
) -> PayloadStored:
    """The event of one page; without a pointer its payload exists nowhere."""
    return PayloadStored(
        task_id=new_id(),
        job_id=job_id or new_id(),
        number=1,
        correlation_id=correlation_id,
        vendor="acme",
        payload=pointer or Pointer(uri=f"{new_id()}/1-0", sha256=hashlib.sha256(b"").hexdigest(), size=0),
        processing=Processing(
            source=source, records=records, sinks=sinks, keep_seconds=keep_seconds, expects_list=expects_list
        ),
        fetched_at=fetched_at or datetime.now(UTC),
    )


def page(records: list[Any], **fields: Any) -> Page:
    """A page with these records."""
    return take_apart(stored_payload(**fields), orjson.dumps(records))
