"""Replaces what Postgres cannot keep in text and jsonb, the NUL character, so that writing never fails. Vendors' links
may contain it, and so may messages about them. Pure."""

import re

_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def storable_text(text: str) -> str:
    """The text with the replacement character in the place of NUL."""
    return text.replace("\0", "\ufffd")


def storable_json(text: bytes) -> bytes:
    """JSON text likewise; a backslash that is itself escaped is left alone."""
    return _ESCAPED_NUL.sub(rb"\1\\ufffd", text) if b"\\u0000" in text else text
