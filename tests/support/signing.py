"""Webhooks as their senders sign them."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


def signed(document: Any, sender_id: str, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, Any]:
    """What httpx needs to post a document by Standard Webhooks."""
    body = json.dumps(document).encode() if not isinstance(document, bytes) else document
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{sender_id}.{stamp}.".encode() + body, "sha256")).decode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": sender_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature}",
    }
    return {"content": body, "headers": headers}
