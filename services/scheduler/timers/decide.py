"""Requests for later → timers; how long to sleep. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.scheduler.model import Timer
from shared.events.catalogue import topics
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_ID, CE_SOURCE, CE_TYPE, CE_VERSION
from shared.events.timers import TimerRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing
from shared.specification.values import FARTHEST

LOOK_SECONDS = 1.0
"""The longest sleep: another replica may have set a timer that is due sooner, and died."""
LOCKED_SECONDS = 0.02
"""The sleep while everything due is locked by other replicas, which are producing it."""
_TOPICS = {topic.name: topic for topic in topics()}
_RECORD_BYTES = 128
_HEADER_BYTES = 10


@dataclass(frozen=True, slots=True)
class NoTimer:
    """No timer can be made of it."""

    reason: str
    detail: str


def timer_of(event: TimerRequested, now: datetime) -> Timer | NoTimer:
    """The timer that a request asks for."""
    if not event.value:
        return NoTimer("schema_invalid", "value: expected JSON text")
    headers = (
        (CE_ID, str(event.timer_id).encode()),
        (CE_TYPE, event.ce_type_of.encode()),
        (CE_SOURCE, b"sluice"),
        (CE_VERSION, b"1.0"),
    )
    message = Outgoing(event.topic, event.key, event.value.encode(), headers)
    return _checked(event.timer_id, "due_at", event.due_at, message, now)


def timer_of_retry(event: RetryRequested, prefix: str, now: datetime) -> Timer | NoTimer:
    """The original again: same key, bytes and headers, as the next delivery, for the one group that asked for it.

    A key may be any bytes; those that are no text are carried as surrogates and are the same bytes when sent.
    """
    try:
        record = event.original.record()
        headers = event.original.headers_again(event.event_id, event.delivery, event.group)
    except ValueError as error:
        return NoTimer("undecodable", f"original: {error}")
    topic = record.position.topic.removeprefix(f"{prefix}.")
    key = (record.key or b"").decode("utf-8", errors="surrogateescape")
    # One delivery may be put off several times, each time until later.
    timer_id = derived_id("retry", event.group, event.event_id, event.delivery, event.not_before)
    return _checked(timer_id, "not_before", event.not_before, Outgoing(topic, key, record.value, headers), now)


def pause_before(until_due_seconds: float) -> float:
    """How long to sleep before the next timer; 0 says that it is due."""
    return min(max(until_due_seconds, 0.0), LOOK_SECONDS)


def pause_after(claimed: int) -> float:
    """How long to sleep after a round that had something due and claimed so much of it."""
    return 0.0 if claimed else LOCKED_SECONDS


def _checked(timer_id: UUID, field: str, due_at: datetime | None, message: Outgoing, now: datetime) -> Timer | NoTimer:
    """What the broker would refuse is refused here: it would hold back every timer that is claimed with it."""
    if due_at is None or due_at.tzinfo is None:
        return NoTimer("schema_invalid", f"{field}: expected a time with its offset")
    if due_at > now + FARTHEST:
        return NoTimer("deadline_exceeded", f"{field}: expected a time within ten years")
    topic = _TOPICS.get(message.topic)
    if topic is None:
        return NoTimer("schema_invalid", f"topic: no topic is called {message.topic[:100]}")
    if topic.is_state:
        return NoTimer("schema_invalid", f"topic: what {topic.name} carries is published again, not sent again")
    size = _record_bytes(message)
    if size > topic.max_message_bytes:
        return NoTimer("too_large", f"a message of {size} bytes is too large for {topic.name}")
    return Timer(timer_id, max(due_at, now - FARTHEST), message)


def _record_bytes(message: Outgoing) -> int:
    """At most this much is a message in a batch of its own."""
    headers = sum(len(name.encode()) + len(value) + _HEADER_BYTES for name, value in message.headers)
    key = len(message.key.encode("utf-8", errors="surrogateescape"))
    return _RECORD_BYTES + key + len(message.value or b"") + headers
