"""Evaluates expressions within bounds: what they make of a document is counted before it fills the memory, and their
steps are counted, since each takes time. Pure.

What `growth` lets pass may still make a thousand values of each one of a document, which may have very many.
"""

import math
from functools import cached_property
from typing import Any

from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

MOST_MADE = 3_000_000
"""So many values the expressions over a document may put into lists and objects on their way, and so many their
findings may have, each counted as often as it would be written; or twice as many as the document has, if that is more.
"""
MOST_STEPS = 5_000_000
"""So many steps the expressions over a document may take, a few seconds' worth, each part one for each value that it is
applied to; or four times as many as the document has values, if that is more."""
_UNIT = 16
"""Characters of a text that count as one value more."""
_FUNCTIONS = Functions()


class TooMuch(Exception):
    """What the expressions make of the document cannot be held, or could not be written, or takes too long to find. The
    text says what there is too much of."""

    def __init__(self, what: str = f"more than {MOST_MADE} values would come of it, counted step by step") -> None:
        super().__init__(what)


def size_of(found: Any, most: float = math.inf) -> int:
    """How many values something has, counted as it would be written: what it holds twice counts twice. Above `most`
    they are not counted to the end."""
    size, layer = 1, [found]
    while layer and size <= most:
        beneath: list[Any] = []
        for one in layer:
            kind = type(one)
            if kind is str:
                size += len(one) // _UNIT
            elif kind is dict:
                size += len(one) + len("".join(one)) // _UNIT
                beneath += one.values()
            elif kind is list:
                size += len(one)
                beneath += one
            if size > most:
                break
        layer = beneath
    return size


class CountedDocument(TreeInterpreter):
    """A document over which expressions are evaluated. Counts, for all of them together, their steps and what they put
    into new lists and objects; where one step alone could make very much, before it is made."""

    def __init__(self, document: Any) -> None:
        super().__init__()
        self._document = document
        self._made, self._found, self._most = 0, 0, MOST_MADE
        self._steps, self._most_steps = 0, MOST_STEPS

    def search(self, parsed: Any, *, grows: bool) -> Any:
        """What an expression's syntax tree finds. What does not grow is as large as the document at most.

        Raises:
            TooMuch: with the expressions before it, it made too many values, found too many or took too many steps.
        """
        found = self.visit(parsed, self._document)
        if grows:
            self._found = self._measure(found, self._found)
            if self._found > self._most:
                raise TooMuch
        return found

    def visit(self, node: Any, value: Any) -> Any:
        """What a part of the expression finds in a value; as the library does it, and counted."""
        self._steps += 1
        if self._steps > self._most_steps:
            self._look_at_steps()
        method = self._method_cache.get(node["type"])  # type: ignore[attr-defined]  # not in the stubs
        return super().visit(node, value) if method is None else method(node, value)

    def _look_at_steps(self) -> None:
        self._most_steps = max(MOST_STEPS, 4 * self._document_size)
        if self._steps > self._most_steps:
            raise TooMuch(f"it takes more than {MOST_STEPS} steps")

    @cached_property
    def _document_size(self) -> int:
        return size_of(self._document)

    def _measure(self, found: Any, before: int = 0) -> int:
        """The size of something, with what was counted before it. Above what is allowed it is not counted to the
        end."""
        size = before + size_of(found, self._most - before)
        if size > self._most:
            self._most = max(MOST_MADE, 2 * self._document_size)
            size = before + size_of(found, self._most - before)
        return size

    def _make(self, values: int) -> None:
        self._made += values
        if self._made > self._most:
            self._most = max(MOST_MADE, 2 * self._document_size)
        if self._made > self._most:
            raise TooMuch

    def _counted(self, made: Any) -> Any:
        if isinstance(made, (list, dict)):
            self._make(len(made))
        elif isinstance(made, str):
            self._make(len(made) // _UNIT)
        return made

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._make(sum(len(inner) if isinstance(inner, list) else 1 for inner in base))
        flat: list[Any] = []
        for inner in base:
            flat += inner if isinstance(inner, list) else (inner,)
        return flat

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        given = [self.visit(child, value) for child in node["children"]]
        if node["value"] in ("to_string", "join"):
            self._make(sum(map(self._measure, given)) + _separators(given))
        return self._counted(_FUNCTIONS.call_function(node["value"], given))

    def visit_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_projection(node, value))

    def visit_value_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_value_projection(node, value))

    def visit_filter_projection(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_filter_projection(node, value))

    def visit_slice(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_slice(node, value))

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        return self._counted(super().visit_multi_select_dict(node, value))


def _separators(given: list[Any]) -> int:
    """What join() puts between the texts of a list."""
    match given:
        case [str() as separator, list() as texts]:
            return len(separator) * len(texts) // _UNIT
        case _:
            return 0
