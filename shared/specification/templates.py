"""Placeholders such as `{parameters.id}` in the parts of a document, and the problem of an unknown one. Pure."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from shared.errors import Problem

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""`{name}`, or a brace written twice, which is a brace."""

Place = tuple[int | str, ...]
"""A place in a document: the names and numbers that lead to it."""


def placeholders_in(value: Any, at: Place = ()) -> Iterator[tuple[Place, str]]:
    """The placeholders in a part of a document, however deep they stand: the place and the name of each."""
    match value:
        case str():
            yield from ((at, name) for name in PLACEHOLDER.findall(value) if name)
        case dict():
            for name, inner in value.items():
                yield from placeholders_in(inner, (*at, name))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from placeholders_in(inner, (*at, index))


def unknown_placeholder(pointer: str, name: str, known: Collection[str], where: str = "") -> Problem:
    """The problem of a placeholder that nothing fills. Braces of another language, such as GraphQL's, are one, too."""
    shown = ", ".join(f"{{{one}}}" for one in known) or "none"
    doubled = "a brace itself is written {{ or }}"
    return Problem(pointer, f"unknown placeholder {{{name}}}{where}; known here: {shown}; {doubled}")
