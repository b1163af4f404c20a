"""JMESPath expressions: checked when they are written, evaluated where they are needed. Pure."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions

from shared.specification.evaluation import CountedDocument, TooMuch
from shared.specification.growth import growth_mistake, growth_of

RECORD = "record"
"""What a record may be called in an expression over it. A field of that name is `@.record`."""
_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*|"[^"\\]+"')
_PATH = re.compile(rf"(?:{_NAME.pattern})(?:\.(?:{_NAME.pattern}))*")
_FAULTS = (JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What an evaluation may raise: the library's own errors, and those of the functions beneath it."""


class NotApplicable(Exception):
    """The expression cannot be evaluated over this document; the text says why, and repeats nothing of the document."""


class FindsTooMuch(NotApplicable):
    """What it would find is too large for any memory, or takes too long to find."""


Document = Mapping[str, Any] | CountedDocument
"""What an expression is evaluated over. A `CountedDocument` bounds all expressions together that are evaluated over it,
anything else each of them alone."""


def evaluate(expression: str, document: Document) -> Any:
    """What the expression finds; null where it finds nothing.

    Raises:
        NotApplicable: a function cannot take what it is given.
        FindsTooMuch: it would make too much of this document, or take too long.
    """
    counted = document if isinstance(document, CountedDocument) else CountedDocument(document)
    try:
        parsed, grows = _compiled(expression)
        return counted.search(parsed, grows=grows)
    except TooMuch as error:
        raise FindsTooMuch(f"{expression}: {error}") from None
    except JMESPathTypeError as error:
        taken = f"{error.function_name}() cannot take a value of type {error.actual_type}"
        raise NotApplicable(f"{expression}: {taken}") from None
    except _FAULTS as error:
        raise NotApplicable(f"{expression}: {type(error).__name__}") from None


def found_by(expression: str, document: Document) -> Any:
    """What the expression finds; null also where it cannot be evaluated."""
    try:
        return evaluate(expression, document)
    except NotApplicable:
        return None


def found_in(expression: str, record: Any) -> Any:
    """What the expression finds in a record, null also where it cannot be evaluated. `record.id` is its `id`."""
    path = path_of(expression)
    if path is not None:
        return _walk(record, path[1:] if len(path) > 1 and path[0] == RECORD else path)
    if RECORD in roots_with_steps(expression):
        record = {**(record if isinstance(record, dict) else {}), RECORD: record}
    return found_by(expression, record)


@lru_cache(maxsize=1024)
def path_of(expression: str) -> tuple[str, ...] | None:
    """The names in a path through objects, such as `meta.id` or `"order-id"`, which takes no interpreter to follow;
    nothing for any other expression."""
    if _PATH.fullmatch(expression) is None:
        return None
    return tuple(name.strip('"') for name in _NAME.findall(expression))


def _walk(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def holds(expression: str, document: Document) -> bool:
    """Whether the expression is true as JMESPath has it: neither null nor false nor empty; 0 is true.

    Raises:
        NotApplicable: as `evaluate`.
    """
    found = evaluate(expression, document)
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return is_number or bool(found)


@lru_cache(maxsize=1024)
def mistake_in(expression: str) -> str:
    """What is wrong with an expression whatever it is applied to, or nothing."""
    try:
        parsed = jmespath.compile(expression).parsed
        return next(_node_mistakes(parsed), "") or growth_mistake(parsed)
    except (JMESPathError, RecursionError) as error:
        return str(error).splitlines()[0]


@lru_cache(maxsize=1024)
def roots_of(expression: str) -> frozenset[str]:
    """The names that an expression looks for in the document itself, such as `body`; of a good expression."""
    return frozenset(_roots(jmespath.compile(expression).parsed))


@lru_cache(maxsize=1024)
def roots_with_steps(expression: str) -> frozenset[str]:
    """Those of `roots_of` in which it looks for something, such as `body` in `body.id`; of a good expression."""
    return frozenset(_roots(jmespath.compile(expression).parsed, alone=False))


_OF_THE_FIRST = frozenset(
    {"subexpression", "pipe", "projection", "value_projection", "filter_projection", "index_expression", "flatten"}
)
"""The other parts of these are looked for in what the first part finds."""
_EACH = frozenset({"projection", "value_projection", "filter_projection", "expref"})
"""The parts of these are applied to every item of a list or object."""


def _roots(node: Any, *, alone: bool = True, stepped: bool = False) -> Iterator[str]:
    """`alone`: also those behind which no step follows. `stepped`: one follows behind this node."""
    if node["type"] == "field" and (alone or stepped):
        yield node["value"]
    if node["type"] == "expref":
        return
    steps = node["type"] in _OF_THE_FIRST
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    for child in children[:1] if steps else children:
        yield from _roots(child, alone=alone, stepped=steps)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> tuple[Any, bool]:
    """Its syntax tree, and whether more than it is applied to can come of it."""
    parsed = jmespath.compile(expression).parsed
    return parsed, growth_of(parsed) > 1


@lru_cache(maxsize=1024)
def count_parts(expression: str) -> int:
    """How many parts a good expression has: each is at least one step."""
    return sum(1 for _ in _nodes(jmespath.compile(expression).parsed))


@lru_cache(maxsize=1024)
def steps_per_value(expression: str) -> float:
    """How many steps a good expression takes at most for each value of its document, to find something or to count what
    it finds; 0 if it takes the same few over every document."""
    parsed, grows = _compiled(expression)
    if any(node["type"] in _EACH for node in _nodes(parsed)):
        return count_parts(expression) * growth_of(parsed)
    return growth_of(parsed) if grows else 0.0


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.get("children", ())


def _node_mistakes(parsed: Any) -> Iterator[str]:
    for node in _nodes(parsed):
        if node["type"] == "slice" and node["children"][2] == 0:
            yield "the step of a slice cannot be 0"
        if node["type"] == "function_expression":
            problem = _call_mistake(node["value"], len(node["children"]))
            if problem:
                yield problem


def _call_mistake(name: str, given: int) -> str:
    known = Functions.FUNCTION_TABLE.get(name)
    if known is None:
        return f"there is no function {name}()"
    signature = known["signature"]
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not variadic):
        return f"{name}() takes {len(signature)} arguments{' or more' if variadic else ''}, not {given}"
    return ""
