"""Stripe's signatures: `t=<seconds>,v1=<hex>` in one header, `{t}.{body}` under HMAC-SHA256; several `v1` during a
rotation.

https://docs.stripe.com/webhooks?verify=verify-manually
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from services.callback_gateway.verify.signatures import MOST_SIGNATURES, decode, is_near, key_of, matches, read_time
from services.callback_gateway.verify.verdict import Forged, Reason, Verdict, Verified

_HEADER = "stripe-signature"


def verify_stripe(
    secrets: Sequence[str], tolerance: timedelta, headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict. A secret is used as it stands, `whsec_` and all; Stripe's own id is in the body."""
    given = headers.get(_HEADER, "")
    if not given:
        return Forged(Reason.MISSING, "expected the header Stripe-Signature")
    parts = [part.strip().partition("=") for part in given.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signed = read_time(times[0]) if len(times) == 1 else None
    if signed is None:
        return Forged(Reason.MALFORMED, "expected seconds since 1970 as t in the header Stripe-Signature")
    content = f"{times[0]}.".encode() + body
    expected = [hmac.digest(key_of(secret), content, hashlib.sha256) for secret in secrets]
    signatures = [value for name, _, value in parts if name == "v1"][:MOST_SIGNATURES]
    if not matches([decode(one, "hex") for one in signatures], expected):
        return Forged(Reason.WRONG, "no v1 in the header Stripe-Signature is right")
    if not is_near(signed, now, tolerance):
        return Forged(Reason.EXPIRED, f"t in Stripe-Signature is more than {tolerance.total_seconds():g} s from now")
    return Verified()
