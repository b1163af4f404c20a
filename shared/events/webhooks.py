"""Events of webhooks: somebody else's that came in, and who is to hear of something."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.events.envelope import Event
from shared.specification.notify import Notify


class WebhookReceived(Event):
    """A verified webhook, as it came. `sender_id` is the sender's own id. A JSON body stands in `body`, any other in
    `raw` (base64)."""

    type: Literal["webhook.received"] = "webhook.received"
    webhook_id: UUID
    hook: str
    sender_id: str | None = None
    media_type: str = ""
    headers: dict[str, str] = {}
    body: Any = None
    raw: str | None = None
    received_at: datetime


class Notification(Event):
    """Something a person or program should hear of. `event` is what its webhooks carry; the planner makes a `deliver`
    job of each of `webhooks`."""

    type: Literal["notification"] = "notification"
    subject: str
    text: str
    event: dict[str, Any]
    webhooks: Notify = ()
    at: datetime
