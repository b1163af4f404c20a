"""Standard Webhooks 1.0.0: `{id}.{timestamp}.{body}` under HMAC-SHA256, several signatures during a rotation.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.callback_gateway.verify.signatures import MOST_SIGNATURES, decode, is_near, matches, read_time
from services.callback_gateway.verify.verdict import Forged, Reason, Verdict, Verified
from shared.secrets import signing_key

_VERSION = "v1,"
_ID = re.compile(r"[!-\-/-~]{1,255}")
"""Printable without blanks and full stops: a full stop would let parts of the signed content change places."""


def verify_standard(
    secrets: Sequence[str], tolerance: timedelta, headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict; a verified one carries `webhook-id`."""
    sender_id, time, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sender_id and time and given):
        return Forged(Reason.MISSING, "expected the headers webhook-id, webhook-timestamp and webhook-signature")
    signed = read_time(time)
    if signed is None or not _ID.fullmatch(sender_id):
        return Forged(Reason.MALFORMED, "expected webhook-timestamp in seconds and a printable webhook-id without dots")
    content = f"{sender_id}.{time}.".encode() + body
    expected = [hmac.digest(key, content, hashlib.sha256) for key in map(signing_key, secrets) if key]
    if not matches(_signatures(given), expected):
        return Forged(Reason.WRONG, "no signature in webhook-signature is right")
    if not is_near(signed, now, tolerance):
        return Forged(Reason.EXPIRED, f"webhook-timestamp is more than {tolerance.total_seconds():g} s from now")
    return Verified(sender_id)


def _signatures(header: str) -> list[bytes]:
    """Those of version 1; others (`v1a` is asymmetric) are passed over."""
    found = [text.removeprefix(_VERSION) for text in header.split() if text.startswith(_VERSION)]
    return [decode(text, "base64") for text in found[:MOST_SIGNATURES]]
