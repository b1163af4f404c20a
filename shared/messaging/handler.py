"""What a service needs to know of messaging: the shape of a handler, what it gives back, and a table of consumers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from shared.database.pool import Transaction
from shared.errors import Rejected
from shared.events.envelope import CE_ID, CE_SOURCE, CE_TIME, CE_TYPE, CE_VERSION, TRACEPARENT, Event, Headers, Incoming
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.decode import Poison

E = TypeVar("E")
P = TypeVar("P")

Id = UUID | str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be produced. `topic` is the catalogue's name, without prefix."""

    topic: str
    key: str
    value: bytes | None
    headers: Headers


def outgoing(
    topic: Topic[Any], key: Id, event: Event, *, id: UUID | None = None, at: datetime | None = None
) -> Outgoing:
    """An event for a topic. Give an `id` where the same event may be made twice (what fires from tables).

    The trace id is the job's id, so that every message of a job belongs to one trace (W3C Trace Context).

    Raises:
        Rejected: the event is larger than the topic takes.
    """
    value = event.model_dump_json(by_alias=True, exclude_none=True).encode()
    if len(value) > topic.max_message_bytes - 4096:
        raise Rejected("too_large", f"an event of {len(value)} bytes is too large for {topic.name}")
    event_id = id or new_id()
    headers: list[tuple[str, bytes]] = [
        (CE_ID, str(event_id).encode()),
        (CE_TYPE, event.ce_type.encode()),
        (CE_SOURCE, b"sluice"),
        (CE_VERSION, b"1.0"),
    ]
    if at is not None:
        headers.append((CE_TIME, at.isoformat().encode()))
    if (job_id := event.of_job) is not None:
        headers.append((TRACEPARENT, f"00-{job_id.hex}-{event_id.hex[:16]}-01".encode()))
    return Outgoing(topic.name, str(key), value, tuple(headers))


def tombstone(topic: Topic[Any], key: Id) -> Outgoing:
    """Delete a key of a compacted topic."""
    return Outgoing(topic.name, str(key), None, ((CE_ID, str(new_id()).encode()), (CE_SOURCE, b"sluice")))


@dataclass(frozen=True, slots=True)
class Refuse:
    """Given back by a handler beside its outgoing messages: this one goes to the dead-letter topic."""

    incoming: Incoming[Any]
    reason: str
    error: str
    job_id: UUID | None = None
    task_id: UUID | None = None
    history: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """Given back by a handler: this one is sent again after a time, as its next delivery (configuration lag, say). A
    delivery that `waited` takes none from those after which a failing event is given up."""

    incoming: Incoming[Any]
    after_seconds: float
    reason: str
    waited: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Given back by a handler: all that one event sends, where some of it is for a topic that a user named
    (`is_records_topic`). That goes first, the rest once it was acknowledged; while the topic takes no messages, the
    whole bundle waits and holds back no other."""

    incoming: Incoming[Any]
    messages: tuple[Outgoing, ...]


Result = Outgoing | Bundle | Refuse | Again
Handler = Callable[[Transaction, Sequence[Incoming[E]]], Awaitable[Sequence[Result]]]
"""`async (tx, batch) -> results`. The batch holds new, valid, distinct events; all or nothing is committed.

It must not wait for anything but the transaction. What it raises is bisected down to the one event that causes it.
"""

Prepare = Callable[[Sequence[Incoming[Any]]], Awaitable[Sequence[Incoming[Any]]]]
"""Loads what a handler needs from elsewhere (the payload store) before the transaction begins; keeps order and ids."""


OnGivenUp = Callable[[Transaction, Incoming[Any], str], Awaitable[Sequence[Outgoing]]]
"""What to send when the shell gives an event up, so that its outcome becomes known. Gets the transaction in which the
ledger records the end, the event and the reason. A redriven event may be given up more than once."""

OnUnread = Callable[[Transaction, Sequence[Poison]], Awaitable[Sequence[Outgoing]]]
"""What to send for records that cannot be read and become dead letters, so that their outcome becomes known. The same
records may come again: their messages need ids derived from their places."""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Consumer(Generic[E]):
    """One row of a service's table: which topic, which group, which handler.

    `behaviour` begins with the folder's name; the consumer group is `<prefix>.<service>.<behaviour>`.
    `wake` is called after a batch was committed and its messages produced, to wake a loop that waits for work.
    `members` is how many of the group's members this process is: one computes while another waits for the database.
    `on_given_up` gives the messages beside the dead letter of an event that the shell gave up.
    `on_unread` gives the messages beside the dead letters of records that cannot be read.
    `skips` are CloudEvents types that mean nothing here: their records are passed over unread.
    `spacing_seconds` is the least time from one batch of many events to the next, less after one of few: under load
    events gather, and what several of them say of one row is written once. Without load nothing is delayed.
    """

    behaviour: str
    topic: Topic[E]
    handler: Handler[E]
    prepare: Prepare | None = None
    wake: Callable[[], None] = field(default=_nothing)
    max_records: int = 500
    members: int = 1
    skips: frozenset[str] = frozenset()
    on_given_up: OnGivenUp | None = None
    on_unread: OnUnread | None = None
    spacing_seconds: float = 0.0
