"""Signatures in headers, and times beside them: what the schemes have in common. Wrong shapes give nothing."""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

MOST_SIGNATURES = 8
"""So many of one header are compared; a rotation needs two."""

_SECONDS = re.compile(r"[0-9]{1,11}")


def matches(given: Sequence[bytes], expected: Sequence[bytes]) -> bool:
    """Whether any given signature is an expected one, in a time that does not tell which, or how nearly."""
    return any([hmac.compare_digest(one, other) for other in expected for one in given])


def key_of(secret: str) -> bytes:
    """A secret as bytes; those that are no UTF-8 came from the environment escaped, and go back to what they were."""
    return secret.encode("utf-8", errors="surrogateescape")


def decode(text: str, encoding: Literal["hex", "base64"]) -> bytes:
    """The bytes of a signature; none if it is written otherwise."""
    try:
        return binascii.unhexlify(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def read_time(text: str) -> datetime | None:
    """Seconds since 1970 as a time, or nothing."""
    return datetime.fromtimestamp(int(text), UTC) if _SECONDS.fullmatch(text) else None


def is_near(signed: datetime, now: datetime, tolerance: timedelta) -> bool:
    """Whether a signed time is close enough to now, either way: clocks differ in both directions."""
    return abs(now - signed) <= tolerance
