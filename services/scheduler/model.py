"""A timer: a message and the time to send it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.messaging.handler import Outgoing


@dataclass(frozen=True, slots=True)
class Timer:
    """Send `message` at `due_at`. The id makes setting it twice the same timer."""

    id: UUID
    due_at: datetime
    message: Outgoing
