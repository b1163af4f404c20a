"""Ids: time-ordered for what is new; derived, and still time-ordered, for what must come out the same when work is
repeated."""

from uuid import NAMESPACE_URL, UUID

from uuid_utils.compat import uuid5, uuid7

NAMESPACE = uuid5(NAMESPACE_URL, "https://sluice.dev/ids")

_TIME = ((1 << 48) - 1) << 80
_HASH = ((1 << 12) - 1) << 64 | ((1 << 62) - 1)
_VERSION_8 = 8 << 76 | 2 << 62
_TIMED = (7, 8)
_LENGTH, _VERSION_AT = 36, 14


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): sorts by time of creation, so index pages stay tight."""
    return uuid7()


def derived_id(*parts: object) -> UUID:
    """The same parts always give the same id, so repeated work repeats its ids; an id and its text are the same part.

    A UUIDv8 (RFC 9562): the time of the first part that is an id with a time, then 74 bits of the UUIDv5 of all parts.
    So what belongs to one job stands together in every index. Without such a part it is the UUIDv5 itself.
    """
    name = uuid5(NAMESPACE, "\x1f".join([str(part) for part in parts]))
    for part in parts:
        time = _time(part)
        if time:
            return UUID(int=time | _VERSION_8 | name.int & _HASH)
    return name


def _time(part: object) -> int:
    """The leading 48 bits of a UUIDv7, or of an id derived from one; 0 for anything else."""
    if isinstance(part, str) and len(part) == _LENGTH and part[_VERSION_AT] in "78":
        try:
            part = UUID(part)
        except ValueError:
            return 0
    return part.int & _TIME if isinstance(part, UUID) and part.int >> 76 & 15 in _TIMED else 0
