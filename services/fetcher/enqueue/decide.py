"""What may be done with a requested call. Pure."""

from shared.events.tasks import FetchRequested

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110, section 9.2.2): they may be sent again when their outcome is unknown."""
_HARMLESS = frozenset({"deliver", "page", "metadata", "status"})
_KEY = "idempotency-key"
"""A header by which a vendor knows a repetition: with it any call may be sent again."""


def is_repeatable(request: FetchRequested) -> bool:
    """Whether the call may be sent again when its outcome is unknown. Receivers recognise a repeated webhook by its id.
    A request for a page or a status changes nothing: if it is a POST, it is a search."""
    known = any(name.lower() == _KEY for name in request.call.headers) or request.purpose in _HARMLESS
    return known or request.call.method in _REPEATABLE
