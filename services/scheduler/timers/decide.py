"""Requests for later → timers; how long to sleep. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduler.model import Timer
from shared.events.catalogue import topics
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_ID, CE_SOURCE, CE_TYPE, CE_VERSION, DELIVERY, RECIPIENT, Record
from shared.events.timers import TimerRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, decode_key, encode_key

FARTHEST = timedelta(days=3660)
LOOK_SECONDS = 1.0
"""The longest sleep: another replica may have set a timer that is due sooner, and died."""
LOCKED_SECONDS = 0.02
"""The sleep while everything due is locked by other replicas, which are producing it."""
_TOPICS = {topic.name: topic for topic in topics()}
_RECORD_BYTES = 128
_HEADER_BYTES = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """No timer can be made of it."""

    reason: str
    detail: str


def timer_of(event: TimerRequested, now: datetime) -> Timer | Refused:
    """A timer that somebody sets."""
    headers = (
        (CE_ID, str(event.timer_id).encode()),
        (CE_TYPE, event.ce_type_of.encode()),
        (CE_SOURCE, b"sluice"),
        (CE_VERSION, b"1.0"),
    )
    due_at = _time("due_at", event.due_at, now)
    message = _message(Outgoing(event.topic, event.key, event.value.encode(), headers))
    return _timer(Timer, event.timer_id, due_at, message)
