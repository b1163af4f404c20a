"""Timers: a message to be sent later."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.events.envelope import Event


class TimerRequested(Event):
    """Send this message to that topic at that time; `cancel` takes back a timer that has not fired.

    `topic` is a name of the catalogue, without prefix. `value` is JSON text. The timer's id becomes the event id
    of what is sent, so a timer that fires twice counts once.
    """

    type: Literal["timer.requested"] = "timer.requested"
    timer_id: UUID
    action: Literal["set", "cancel"] = "set"
    due_at: datetime | None = None
    topic: str = ""
    key: str = ""
    ce_type_of: str = ""
    value: str = ""
