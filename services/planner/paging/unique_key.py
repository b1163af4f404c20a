"""The keys under which a page is planned only once: `PlannedCall.unique_key`. Pure.

A table index keeps them unique within a job, or within the results of one vendor job. The key of a chained page is the
digest of its cursor, so a chain that returns to an earlier cursor becomes visible. The key of a counted page also
carries what the page must know of those before it: `longest 40 at 80`, `longest 40 beyond 80`, or `grown 3`.
"""

import hashlib
import re
from dataclasses import dataclass

_WALKED = re.compile(r"longest (\d+) (at|beyond) (\d+)")
_GROWN = re.compile(r"grown (\d+)")


@dataclass(frozen=True, slots=True)
class Walked:
    """A page of a walk without a total: the items of the longest page before it, and its own position. `beyond`: all
    pages that a total asks for have come, and the last one had more than it left."""

    longest: int
    position: int
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Grown:
    """The last page that a total asks for, after the total grew so many times."""

    times: int


def is_beyond(key: str | None) -> bool:
    """Whether a page with this key is asked for beyond all that a total asks for."""
    walked = read_key(key)
    return isinstance(walked, Walked) and walked.beyond


def key_of_cursor(cursor: str) -> str:
    """The key of the page that a cursor, key or link leads to. It can be as long as the vendor likes, so its digest is
    kept."""
    return hashlib.sha256(cursor.encode("utf-8", errors="replace")).hexdigest()[:32]


def write_key(state: Walked | Grown) -> str:
    """The key of a counted page."""
    match state:
        case Walked(longest, position, beyond):
            return f"longest {longest} {'beyond' if beyond else 'at'} {position}"
        case Grown(times):
            return f"grown {times}"


def read_key(key: str | None) -> Walked | Grown | None:
    """What a key says; nothing where there is none, or where it is that of a cursor."""
    if walked := _WALKED.fullmatch(key or ""):
        return Walked(int(walked[1]), int(walked[3]), walked[2] == "beyond")
    if grown := _GROWN.fullmatch(key or ""):
        return Grown(int(grown[1]))
    return None
