"""How much a JMESPath expression can make of what it is applied to: `[@, @][]` doubles it, forty of them in a row would
fill any memory. Pure."""

import math
from collections.abc import Iterator
from typing import Any

MOST = 1000
"""So many times as large as the document an expression's findings may be, on their way as at their end."""

_EACH = frozenset({"map", "max_by", "min_by", "sort_by"})
"""Functions that apply one of their arguments, `&expression`, to every item of the other."""
_ONE_AFTER_ANOTHER = frozenset({"subexpression", "pipe", "projection", "value_projection", "index_expression"})
_ESCAPED = 6
"""to_string() writes one letter as `\\u00e9`."""
_UNIT = 16
"""Characters that count as one item: a text in the expression may stand behind every item of the document."""


def growth_mistake(node: Any) -> str:
    """What lets the findings of this syntax tree grow out of all proportion, or nothing.

    Raises:
        RecursionError: the tree is too deep.
    """
    problem = next(_unbounded(node), "")
    if not problem and growth_of(node) > MOST:
        return f"what it finds could grow to more than {MOST} times what it is applied to"
    return problem


def _unbounded(node: Any) -> Iterator[str]:
    """What makes the growth of an expression unknown."""
    called = node["value"] if node["type"] == "function_expression" else ""
    if called == "join" and node["children"][0]["type"] != "literal":
        yield "the first argument of join() must be written out, such as join(', ', …)"
    for child in _children(node):
        if child["type"] == "expref" and called not in _EACH:
            yield f"& stands only before an argument of {', '.join(sorted(_EACH))}"
        yield from _unbounded(child)


def growth_of(node: Any) -> float:
    """How many times as large as what it is applied to its findings may be. Never less than 1, so that what
    grows on the way and is dropped again counts, too."""
    parts = [growth_of(child) for child in _children(node)]
    match node["type"]:
        case "literal":
            return _size(node["value"])
        case "function_expression" if node["value"] == "join":
            return parts[1] * (1 + len(str(node["children"][0]["value"])))
        case "function_expression" if node["value"] in _EACH:
            return math.prod(parts)
        case "function_expression" if node["value"] == "to_string":
            return parts[0] * _ESCAPED
        case "filter_projection":
            over, then, condition = parts
            return over * max(then, condition)
        case "key_val_pair":
            return parts[0] + len(node["value"]) // _UNIT
        case kind if kind in _ONE_AFTER_ANOTHER:
            return math.prod(parts)
        case _:
            return max(1.0, math.fsum(parts))


def _children(node: Any) -> list[dict[str, Any]]:
    return [child for child in node.get("children", ()) if isinstance(child, dict)]


def _size(value: Any) -> float:
    """The items of a literal."""
    match value:
        case str():
            return 1.0 + len(value) // _UNIT
        case list():
            return 1.0 + math.fsum(map(_size, value))
        case dict():
            return 1.0 + math.fsum(_size(name) + _size(held) for name, held in value.items())
        case _:
            return 1.0
