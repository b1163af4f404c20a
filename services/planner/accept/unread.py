"""Which job a request that cannot be read asks for. Pure."""

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.events.envelope import CE_ID, Record, event_id
from shared.specification.values import JobId

_JOB_ID: TypeAdapter[UUID] = TypeAdapter(JobId)


def job_of_unread(record: Record) -> UUID | None:
    """The id by which the sender knows the job; None if the sender gave none. It is that of the document, as it would
    be if the request could be read. Where there is no such document, the key is the job's id, or else the event's."""
    document = _document(record.value)
    if isinstance(document, dict) and "id" not in document:
        return event_id(record)
    in_document = _read_id(document.get("id")) if isinstance(document, dict) else None
    in_key = _read_id((record.key or b"").decode("utf-8", errors="replace"))
    return in_document or in_key or (event_id(record) if record.header(CE_ID) else None)


def _document(value: bytes | None) -> Any:
    try:
        return from_json(value or b"null")
    except ValueError:
        return None


def _read_id(text: Any) -> UUID | None:
    try:
        return _JOB_ID.validate_python(text) if isinstance(text, str) else None
    except ValidationError:
        return None
