"""Headers of messages as they are kept in tables: pairs of texts, ready for JSON. Pure."""

from collections.abc import Iterable

from shared.events.envelope import Headers


def headers_as_text(headers: Headers) -> list[tuple[str, str]]:
    """Each byte of a value is one character, so any bytes can be kept."""
    return [(name, value.decode("latin-1")) for name, value in headers]


def headers_from_text(kept: Iterable[tuple[str, str]]) -> Headers:
    """The headers again, byte for byte."""
    return tuple((name, value.encode("latin-1")) for name, value in kept)
