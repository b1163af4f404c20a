"""Events of webhooks: somebody else's that came in, and who is to hear of something."""

import base64
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.errors import Invalid
from shared.events.envelope import Event
from shared.specification.notify import Webhooks
from shared.specification.parse import decode_json


class WebhookReceived(Event):
    """A verified webhook, as it came. `sender_id` is the sender's own id. A body that says it is JSON stands in `body`,
    any other in `raw` (base64)."""

    type: Literal["webhook.received"] = "webhook.received"
    webhook_id: UUID
    hook: str
    sender_id: str | None = None
    media_type: str = ""
    headers: dict[str, str] = {}
    body: Any = None
    raw: str | None = None
    received_at: datetime

    @property
    def content(self) -> Any:
        """The body as expressions see it."""
        if self.raw is None:
            return self.body
        try:
            return content_of(base64.b64decode(self.raw))
        except ValueError:
            return None


def content_of(body: bytes) -> Any:
    """The values in a body that does not say what it is, as many senders' JSON does not; null if it is no JSON."""
    try:
        return decode_json(body)
    except Invalid:
        return None


class Notification(Event):
    """Something a person or program should hear of. `event` is what its webhooks carry; the planner makes a `deliver`
    job of each of `webhooks`."""

    type: Literal["notification"] = "notification"
    subject: str
    text: str
    event: dict[str, Any]
    webhooks: Webhooks = ()
    at: datetime
