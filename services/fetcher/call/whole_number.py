"""What counts as a whole number in an answer. Pure."""

from typing import Any

_DIGITS = 15


def whole_number(value: Any) -> int | None:
    """A whole number that is not negative, of at most fifteen digits: as such, as a fraction without a fractional part
    (some vendors' languages have no other numbers), or as digits in a text."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 10**_DIGITS else None
