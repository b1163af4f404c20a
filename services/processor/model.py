"""A page as the processor holds it, between the payload store and the sinks."""

from dataclasses import dataclass
from typing import NamedTuple

from shared.events.payloads import PayloadStored


class KeyedRecord(NamedTuple):
    """One record: its key within the source, and its JSON text."""

    key: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a page cannot be processed; `reason` is a word that dead letters are grouped by."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Page:
    """A stored payload with its records, or with what is wrong with it."""

    stored: PayloadStored
    records: tuple[KeyedRecord, ...] = ()
    failure: Failure | None = None
