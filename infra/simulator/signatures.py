"""Signatures of webhooks and callbacks, made and judged. Written from the specifications, without the product's code,
since a judge that shares the accused's arithmetic finds it right."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

SCHEME_ID, SCHEME_TIME, SCHEME_SIGNATURE = b"webhook-id", b"webhook-timestamp", b"webhook-signature"
_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a Standard Webhooks secret (`whsec_` and base64) stands for; ValueError if it is none."""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("expected a secret in base64, with or without whsec_") from error


def sign_standard(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks 1.0. `timestamp` is in seconds since 1970."""
    mac = _standard_mac(key_of(secret), message_id, str(timestamp), body)
    return {
        SCHEME_ID.decode(): message_id,
        SCHEME_TIME.decode(): str(timestamp),
        SCHEME_SIGNATURE.decode(): f"v1,{mac}",
    }


def check_standard(secret: str, headers: Mapping[bytes, str], body: bytes, *, now: float, tolerance: float) -> bool:
    """Whether a message is signed with the secret, at a time within `tolerance` seconds of `now`."""
    message_id, timestamp = headers.get(SCHEME_ID, ""), headers.get(SCHEME_TIME, "")
    if not message_id or not timestamp.isdecimal() or abs(int(timestamp) - now) > tolerance:
        return False
    expected = _standard_mac(key_of(secret), message_id, timestamp, body)
    shown = [each.partition(",") for each in headers.get(SCHEME_SIGNATURE, "").split(" ")]
    return any(version == "v1" and hmac.compare_digest(mac.encode(), expected.encode()) for version, _, mac in shown)


def _standard_mac(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = b"%s.%s.%s" % (message_id.encode("latin-1"), timestamp.encode(), body)
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def sign_plain(secret: str, body: bytes) -> str:
    """A bare HMAC-SHA256 of a body, in hexadecimal."""
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()
