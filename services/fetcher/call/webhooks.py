"""Outgoing webhooks: Standard Webhooks 1.0.0, signed at the moment they leave. Pure."""

import base64
import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.fetcher.call.decide import GiveUp, RetryAt, Setback, Try, again
from services.fetcher.call.request import HttpRequest
from shared.specification.vendor import Vendor

_GONE = 410
_LEAST_DELAY = timedelta(milliseconds=100)


def sign(request: HttpRequest, task_id: UUID, key: bytes | None, now: datetime) -> HttpRequest:
    """The request with its id, which stays the same however often it is sent, the time of this attempt, and a
    signature if there is a key."""
    message, stamp = f"msg_{task_id.hex}", str(int(now.timestamp()))
    headers = {**request.headers, "webhook-id": message, "webhook-timestamp": stamp}
    if key is not None:
        signed = f"{message}.{stamp}.".encode() + (request.body or b"")
        signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        headers["webhook-signature"] = f"v1,{signature}"
    return replace(request, headers=headers)


def judge(decided: Setback, status: int | None, vendor: Vendor, this: Try, now: datetime, chance: float) -> Setback:
    """A receiver that refuses a webhook may take it later, as the standard says; only 410 says that it never will."""
    if isinstance(decided, GiveUp) and status is not None and status != _GONE:
        return again(f"status_{status}", vendor, this, now, chance)
    if isinstance(decided, RetryAt) and decided.when - now < _LEAST_DELAY:
        return replace(decided, when=now + _LEAST_DELAY)
    return decided
