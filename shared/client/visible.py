"""Text that others wrote, safe to show: a terminal would obey its control characters."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""All but tabs and line ends; also the marks that turn the direction of what follows."""


def visible(text: str) -> str:
    """The text with its control characters as escapes, which JSON reads as the same characters."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
