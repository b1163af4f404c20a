"""Ids: time-ordered for what is new, derived for what must come out the same when work is repeated."""

from uuid import NAMESPACE_URL, UUID

from uuid_utils.compat import uuid5, uuid7

NAMESPACE = uuid5(NAMESPACE_URL, "https://sluice.dev/ids")


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562): sorts by time of creation, so index pages stay tight."""
    return uuid7()


def derived_id(*parts: object) -> UUID:
    """The UUIDv5 of `parts`: the same parts always give the same id, so repeated work repeats its ids."""
    return uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts))
