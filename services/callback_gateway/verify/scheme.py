"""One door to all schemes. What is signed are the bytes of the body as they came; one good secret is enough."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.callback_gateway.verify.verdict import Forged, Reason, Verdict, Verified
from shared.specification.verification import GitHub, PlainHmac, SharedToken, StandardWebhooks, Verification

_WRONG = Forged(Reason.WRONG, "the signature was made with another secret or over another body")


def verify(
    scheme: Verification, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict on one request. `secrets` are those that `scheme` refers to, resolved; `headers` are looked up by
    their names in lower case."""
    match scheme:
        case StandardWebhooks():
            return _standard(scheme.tolerance, secrets, headers, body, now)
        case PlainHmac():
            return _plain(scheme, secrets, headers, body, now)
        case GitHub():
            plain = PlainHmac(scheme="hmac", header="X-Hub-Signature-256", prefix="sha256=", secrets=scheme.secrets)
            return _plain(plain, secrets, headers, body, now)
        case SharedToken():
            given = headers.get(scheme.header.lower(), "").encode()
            found = any(hmac.compare_digest(given, f"{scheme.prefix}{secret}".encode()) for secret in secrets)
            return Verified() if found else _WRONG


def _standard(
    tolerance: timedelta, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    sent_id, stamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sent_id and stamp and given):
        return Forged(Reason.MISSING, "expected the headers webhook-id, webhook-timestamp and webhook-signature")
    if not _is_fresh(stamp, tolerance, now):
        return Forged(Reason.EXPIRED, f"expected a webhook-timestamp within {tolerance} of now")
    signed = f"{sent_id}.{stamp}.".encode() + body
    for secret in secrets:
        expected = base64.b64encode(hmac.digest(_standard_key(secret), signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(one.encode(), f"v1,{expected}".encode()) for one in given.split(" ")):
            return Verified(sent_id)
    return _WRONG


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()


def _plain(
    scheme: PlainHmac, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    given = headers.get(scheme.header.lower(), "")
    if not given:
        return Forged(Reason.MISSING, f"expected the header {scheme.header}")
    if scheme.timestamp is not None:
        stamp = headers.get(scheme.timestamp.lower(), "")
        if not _is_fresh(stamp, scheme.tolerance, now):
            return Forged(Reason.EXPIRED, f"expected a {scheme.timestamp} within {scheme.tolerance} of now")
        body = f"{stamp}.".encode() + body
    for secret in secrets:
        made = hmac.digest(secret.encode(), body, scheme.algorithm)
        text = made.hex() if scheme.encoding == "hex" else base64.b64encode(made).decode()
        if hmac.compare_digest(given.encode(), f"{scheme.prefix}{text}".encode()):
            return Verified()
    return _WRONG


def _is_fresh(stamp: str, tolerance: timedelta, now: datetime) -> bool:
    return stamp.isdecimal() and len(stamp) < 13 and abs(now.timestamp() - int(stamp)) <= tolerance.total_seconds()
