"""Placeholders such as `{parameters.id}` in the parts of a document, and the problem of an unknown one. Pure."""

import re
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any

from shared.errors import Problem

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""`{name}`, or a brace written twice, which is a brace."""

Place = tuple[int | str, ...]
"""A place in a document: the names and numbers that lead to it."""

_MOST_SHOWN, _LONGEST_SHOWN = 12, 100
"""How many of the known names a problem shows, and how many characters of each."""


def placeholders_in(value: Any) -> Iterator[tuple[Place, str]]:
    """The placeholders in a part of a document, however deep they stand: the place and the name of each. Places of
    other values are not made: there may be many, far down."""
    if isinstance(value, str):
        yield from (((), name) for name in _names_in(value))
    at: list[int | str] = []
    pending = [_items(value)]
    while pending:
        for step, inner in pending[-1]:
            if isinstance(inner, str):
                yield from (((*at, step), name) for name in _names_in(inner))
            elif isinstance(inner, (dict, list, tuple)):
                at.append(step)
                pending.append(_items(inner))
                break
        else:
            pending.pop()
            if pending:
                at.pop()


def has_braces(value: Any) -> bool:
    """Whether a brace stands in any text of a part of a document. Where none does there is nothing to fill."""
    if isinstance(value, str):
        return "{" in value or "}" in value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(map(has_braces, inner))


def _names_in(text: str) -> list[str]:
    return [name for name in PLACEHOLDER.findall(text) if name] if "{" in text else []


def _items(value: Any) -> Iterator[tuple[int | str, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return enumerate(value if isinstance(value, (list, tuple)) else ())


def unknown_placeholder(pointer: str, name: str, *known: Collection[str], where: str = "") -> Problem:
    """The problem of a placeholder that nothing fills. Braces of another language, such as GraphQL's, are one, too. Of
    what is `known` the first names are shown: a document may have thousands of them, and of placeholders."""
    shown = [f"{{{_shortened(one)}}}" for one in islice(chain(*known), _MOST_SHOWN)]
    more = sum(map(len, known)) - len(shown)
    names = f"{', '.join(shown) or 'none'}{f' and {more} more' if more else ''}"
    doubled = "a brace itself is written {{ or }}"
    return Problem(pointer, f"unknown placeholder {{{_shortened(name)}}}{where}; known here: {names}; {doubled}")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
