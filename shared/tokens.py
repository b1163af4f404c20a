"""Callback tokens: unguessable, bound to one round of one task, expiring. Pure.

A token is derived, not stored: whoever has the key can make it again and check it, so it appears in no event and no
log. That a token counts only once is for whoever keeps the correlations.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct
from uuid import UUID

_CLAIM = Struct(">16sHQ")
_MAC_BYTES = 20
_CONTEXT = b"sluice callback token v1"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token stands for. `expires_at` is in whole seconds."""

    task_id: UUID
    round: int
    expires_at: datetime


def make_token(key: bytes, claim: Claim) -> str:
    """The token of a claim, in characters that are safe in a URL's path (62 of them)."""
    packed = _CLAIM.pack(claim.task_id.bytes, claim.round, int(claim.expires_at.timestamp()))
    return base64.urlsafe_b64encode(packed + _mac(key, packed)).rstrip(b"=").decode()


def read_token(key: bytes, token: str) -> Claim | None:
    """The claim of a token, or nothing if it was not made with this key. Whether it expired is for the caller."""
    if len(token) > 100:
        return None
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    packed, mac = decoded[: _CLAIM.size], decoded[_CLAIM.size :]
    if len(packed) != _CLAIM.size or not hmac.compare_digest(mac, _mac(key, packed)):
        return None
    task, number, expires = _CLAIM.unpack(packed)
    return Claim(UUID(bytes=task), number, datetime.fromtimestamp(expires, UTC))


def _mac(key: bytes, packed: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + packed, hashlib.sha256)[:_MAC_BYTES]
