"""How long a vendor, source or hook that is not configured is waited for: it may be on its way.

A consumer whose process was killed needs a while to come back: the waits, each a second longer than the last, are a
quarter of a minute together.
"""

from typing import Any

from shared.events.envelope import Incoming
from shared.messaging.handler import Again

_MOST_REPEATS = 5
_STEP_SECONDS = 1.0


def look_again(incoming: Incoming[Any]) -> Again | None:
    """When to look for what an event names once more; nothing after the last time."""
    if incoming.repeats >= _MOST_REPEATS:
        return None
    return Again(incoming, _STEP_SECONDS * (incoming.repeats + 1), "config_missing")
