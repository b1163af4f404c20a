"""Events and their CloudEvents attributes (CloudEvents 1.0.2, Kafka binding, binary mode)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.ids import derived_id

Headers = tuple[tuple[str, bytes], ...]

_LATEST_MILLISECONDS = 253_402_300_799_000
"""The end of the year 9999; a producer may write any number."""

CE_ID = "ce_id"
CE_TYPE = "ce_type"
CE_SOURCE = "ce_source"
CE_TIME = "ce_time"
CE_VERSION = "ce_specversion"
CE_CORRELATION = "ce_correlationid"
"""The schedule because of which the event was sent."""
TRACEPARENT = "traceparent"
DELIVERY = "sluice-delivery"
"""Which delivery of the event this is: at first 0, and one more with each retry and each redrive. Each replay begins a
series of its own. When the broker delivers a record twice, the number stays."""
_SERIES = 10_000
"""The first delivery of the second replay is twice this number. Retries and redrives never fill a series: a dead letter
is shown for a month, and is redriven three times unless a person insists."""


class Event(BaseModel):
    """Base of all events. `type` of a subclass is its CloudEvents type, too."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False)

    @property
    def ce_type(self) -> str:
        """The CloudEvents type attribute."""
        return str(getattr(self, "type"))  # noqa: B009 - declared by every subclass

    @property
    def of_job(self) -> UUID | None:
        """The job that this event belongs to, and whose trace its message joins; None if it belongs to no job."""
        # Asked for every message: what a model lacks, pydantic's own `getattr` takes long to find out.
        found = self.__dict__.get("job_id")
        return found if isinstance(found, UUID) else None


RECIPIENT = "sluice-group"
"""The only consumer group that a retried message is meant for; the topic's other groups have had it already."""
REDRIVES = "sluice-redrives"
"""How often a person had this event sent again after it had become a dead letter."""


class Removed(Event):
    """A tombstone of a compacted topic: the key's configuration is gone."""

    type: str = "removed"
    key: str


E_co = TypeVar("E_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in the log. `topic` is the full name, with its prefix."""

    topic: str
    partition: int
    offset: int


class Found(Protocol):
    """A record as a Kafka client has it; `timestamp` in milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the broker gave it: nothing decoded, nothing lost."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: datetime

    @classmethod
    def of(cls, found: Found) -> "Record":
        """The client's record in our own words."""
        return cls(
            position=Position(found.topic, found.partition, found.offset),
            key=found.key,
            value=found.value,
            headers=found.headers,
            timestamp=datetime.fromtimestamp(min(max(found.timestamp, 0), _LATEST_MILLISECONDS) / 1000, UTC),
        )

    def header(self, name: str) -> str:
        """The first header of that name as text, or an empty string; bytes that are not UTF-8 are replaced."""
        for found, value in self.headers:
            if found == name:
                return (value or b"").decode("utf-8", errors="replace")
        return ""


@dataclass(frozen=True, slots=True)
class Incoming(Generic[E_co]):
    """A valid event in hand, with the record it came as."""

    event: E_co
    id: UUID
    delivery: int
    record: Record

    @property
    def repeats(self) -> int:
        """How many retries and redrives there were before this delivery, in its series."""
        return repeats(self.delivery)


def event_id(record: Record) -> UUID:
    """The event's id: its `ce_id`, or one derived from where it stands if it was produced as bare JSON."""
    given = record.header(CE_ID)
    if not given:
        return derived_id("record", *place_of(record))
    try:
        return UUID(given)
    except ValueError:
        return derived_id("event", record.header(CE_SOURCE), given)


def place_of(record: Record) -> tuple[object, ...]:
    """What no other record has: its position, and its time, for the offsets of a topic that was made anew begin again
    while ledgers still know the old ones. Both stay with the record however often it comes."""
    at = record.position
    return at.topic, at.partition, at.offset, record.timestamp


def delivery(record: Record) -> int:
    """The delivery number, 0 for what is sent for the first time or carries nonsense."""
    text = record.header(DELIVERY)
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def delivery_of_replay(nth: int) -> int:
    """The number of the first delivery of a record's nth replay, which begins at 1."""
    return nth * _SERIES


def repeats(number: int) -> int:
    """How many retries and redrives there were before the delivery of that number, in its series."""
    return number % _SERIES
