"""A key as text, and what is kept of it. Pure but for the random source, which is an argument.

A key is `sluice_<id>_<secret>`: the id finds it, the secret has 256 random bits, so that a plain digest of it is as
good as a slow one.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

READ, WRITE = "read", "write"
AREAS = ("jobs", "config", "schedules", "dead-letters")
SCOPES = tuple(f"{area}:{verb}" for area in AREAS for verb in (READ, WRITE))

_ID_BYTES, _SECRET_BYTES = 6, 32
_KEY = re.compile(r"sluice_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[str]
    used_at: datetime | None = None


def make_key(name: str, scopes: frozenset[str], random: Callable[[int], bytes]) -> tuple[str, Key]:
    """A new key: the text that its owner gets, this once, and what is kept."""
    key_id = random(_ID_BYTES).hex()
    text = f"sluice_{key_id}_{random(_SECRET_BYTES).hex()}"
    return text, Key(key_id, name, _digest(text), scopes)


def id_in(text: str) -> str | None:
    """The id in a text that may be a key."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def is_same(text: str, key: Key) -> bool:
    """Whether a text is this key, in a time that does not tell how nearly."""
    return hmac.compare_digest(_digest(text), key.digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
