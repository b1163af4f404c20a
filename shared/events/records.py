"""Records as events, for whoever wants them from a topic."""

from typing import Any, Literal
from uuid import UUID

from shared.events.envelope import Event


class RecordReceived(Event):
    """One record of a source."""

    type: Literal["record.received"] = "record.received"
    source: str
    key: str
    job_id: UUID
    task_id: UUID
    correlation_id: UUID | None = None
    record: Any
