"""Requests for later → timers. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduler.model import Timer
from shared.events.catalogue import topics
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_ID, CE_SOURCE, CE_TYPE, CE_VERSION, DELIVERY, RECIPIENT
from shared.events.timers import TimerRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing

FARTHEST = timedelta(days=3660)
_TOPICS = frozenset(topic.name for topic in topics())


@dataclass(frozen=True, slots=True)
class Refused:
    """No timer can be made of it."""

    reason: str
    detail: str


def timer_of(event: TimerRequested, now: datetime) -> Timer | Refused:
    """A timer that somebody sets."""
    if event.due_at is None or event.due_at.tzinfo is None:
        return Refused("schema_invalid", "due_at: expected a time with its offset")
    if event.due_at > now + FARTHEST:
        return Refused("deadline_exceeded", "due_at: expected a time within ten years")
    if event.topic not in _TOPICS:
        return Refused("schema_invalid", f"topic: no topic is called {event.topic[:100]}")
    headers = (
        (CE_ID, str(event.timer_id).encode()),
        (CE_TYPE, event.ce_type_of.encode()),
        (CE_SOURCE, b"sluice"),
        (CE_VERSION, b"1.0"),
    )
    message = Outgoing(event.topic, event.key, event.value.encode(), headers)
    return Timer(event.timer_id, event.due_at, message)


def timer_of_retry(event: RetryRequested, prefix: str, now: datetime) -> Timer | Refused:
    """The original again: same key, bytes and headers, as the next delivery, for the one group that asked for it."""
    record = event.original.record()
    topic = record.position.topic.removeprefix(f"{prefix}.")
    if topic not in _TOPICS:
        return Refused("schema_invalid", f"original: no topic is called {topic[:100]}")
    replaced = {CE_ID, DELIVERY, RECIPIENT}
    headers = (
        *((name, value or b"") for name, value in record.headers if name not in replaced),
        (CE_ID, str(event.event_id).encode()),
        (DELIVERY, str(event.delivery).encode()),
        (RECIPIENT, event.group.encode()),
    )
    key = (record.key or b"").decode("utf-8", errors="replace")
    due_at = min(event.not_before, now + FARTHEST)
    timer_id = derived_id("retry", event.group, event.event_id, event.delivery)
    return Timer(timer_id, due_at, Outgoing(topic, key, record.value, headers))
