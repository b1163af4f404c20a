"""Events of payloads: a pointer travels, the bytes stay in the payload store (claim check)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.envelope import Event
from shared.specification.request import Records
from shared.specification.source import PostgresSink, TopicSink


class Pointer(Event):
    """Where raw bytes are and how to know that they are the right ones. `size` in bytes."""

    uri: str
    sha256: str
    size: int
    media_type: str = "application/octet-stream"


class Processing(Event):
    """What to do with a payload: which records, for which source, into which sinks, how long to keep the raw bytes.
    `expects_list`: as in `FactsWanted`."""

    source: str
    records: Records = Records()
    sinks: tuple[PostgresSink | TopicSink, ...] = ()
    keep_seconds: float = 0.0
    expects_list: bool = False


class PayloadStored(Event):
    """A page is in the payload store and waits to be processed."""

    type: Literal["payload.stored"] = "payload.stored"
    task_id: UUID
    job_id: UUID
    number: int
    round: int = 0
    correlation_id: UUID | None = None
    vendor: str
    payload: Pointer
    processing: Processing
    fetched_at: datetime
