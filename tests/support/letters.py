"""Dead letters by what was wrong with the records that they are of (tests name that in the records' keys), and retries
as the scheduler sends them."""

import base64
from typing import Any

from services.scheduler.model import Timer
from services.scheduler.timers.decide import timer_of_retry
from shared.events.dead_letters import RetryRequested
from shared.messaging.handler import Outgoing
from shared.runtime.clock import utc_now
from tests.support.topic_reader import TopicReader


def reasons(dead: TopicReader) -> dict[str, str]:
    """The reason of each dead letter by its record's key."""
    return {
        base64.b64decode(letter["original"]["key"]).decode(): letter["reason"]
        for letter in dead.values
        if letter["original"].get("key")
    }


def sent_again(retry: Any, prefix: str) -> Outgoing:
    """What comes of a retry in its time."""
    timer = timer_of_retry(RetryRequested.model_validate(retry), prefix, utc_now())
    assert isinstance(timer, Timer)
    return timer.message
