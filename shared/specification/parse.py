"""Documents → models. All mistakes are reported together, each with its place and what was expected there."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import Invalid, Problem
from shared.specification.mistakes import mistakes_of
from shared.specification.values import is_finite

T = TypeVar("T")

_MAY_BE_INFINITE = re.compile(rb"[0-9.][eE]\+?[0-9]{3}")
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 4300
_SURELY_READ, _ROOM = 150, 20
"""A reader takes at least the first number of levels; the second is how many an event adds around a document."""

MOST_PROBLEMS, _MOST_CHARACTERS = 5000, 2**18
"""Further ones are not reported: no writer needs them, to word a hundred thousand takes seconds, and all of a job's
go into one event."""


def parse(adapter: TypeAdapter[T], document: Any, besides: Iterable[Problem] = ()) -> T:
    """Validate a decoded document (a dict from JSON or YAML). `besides` are mistakes that the model does not see.

    Raises:
        Invalid: with one problem for each mistake.
    """
    try:
        found = adapter.validate_python(document)
    except ValidationError as error:
        seen = problems(error, adapter._type)
        raise Invalid(first_problems(dict.fromkeys(chain(seen, first_problems(besides))))) from None
    if unseen := first_problems(besides):
        raise Invalid(unseen)
    return found


def decode_json(text: bytes) -> Any:
    """JSON text → values. Refuses NaN, deep nesting, byte order marks, and numbers of thousands of digits or beyond all
    bounds.

    Raises:
        Invalid: with one problem, at the value that cannot be kept or, of other text, at the root.
    """
    try:
        found = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid([_first_unkept_in(text) or Problem("", f"not JSON: {error}")]) from None
    if text.count(b"[") + text.count(b"{") > _SURELY_READ and not _fits_in_an_envelope(text):
        raise Invalid([Problem("", "not JSON that can be kept: it is nested too deeply")])
    if _MAY_BE_INFINITE.search(text) and not is_finite(found) and (problem := first_unkept(found)):
        raise Invalid([problem])
    return found


def _first_unkept_in(text: bytes) -> Problem | None:
    """Why the reader stopped at a value, if the text is JSON otherwise."""
    try:
        found = json.loads(text, parse_int=lambda digits: math.inf if len(digits) > _MOST_DIGITS else 0)
        return first_unkept(found)
    except (ValueError, RecursionError):
        return None


def first_unkept(document: Any) -> Problem | None:
    """The first value in a decoded document that JSON or Postgres has no form for. A name is reported at its object."""
    at: list[int | str] = []
    pending = [_children([document])]
    while pending:
        for step, value in pending[-1]:
            if why := _why_not_kept(step):
                return _unkept(at, why)
            if why := _why_not_kept(value):
                return _unkept([*at, step], why)
            if isinstance(value, (dict, list)):
                at.append(step)
                pending.append(_children(value))
                break
        else:
            pending.pop()
            del at[-1:]
    return None


def _unkept(at: Sequence[int | str], why: str) -> Problem:
    return Problem(pointer_to(tuple(at[1:])), f"not JSON that can be kept: {why}")


def _children(value: dict[str, Any] | list[Any]) -> Iterator[tuple[int | str, Any]]:
    return iter(value.items()) if isinstance(value, dict) else enumerate(value)


def _why_not_kept(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a number within ±1.8e308, of at most {_MOST_DIGITS} digits"
    if isinstance(value, str) and "\0" in value:
        return "expected text without NUL characters"
    if isinstance(value, str) and _HALF_OF_A_PAIR.search(value):
        return "expected text without half of a surrogate pair"
    return ""


def _fits_in_an_envelope(text: bytes) -> bool:
    """Events carry a document some levels deeper, and their readers stop at the same depth."""
    try:
        from_json(b"[" * _ROOM + text + b"]" * _ROOM)
    except ValueError:
        return False
    return True


def problems(error: ValidationError, root: Any) -> list[Problem]:
    """Pydantic's errors as problems with JSON pointers. `root` is the type that was to be made."""
    found = error.errors(include_url=False, include_context=True, include_input=True)[:MOST_PROBLEMS]
    mistakes = mistakes_of([dict(one) for one in found], root)
    return first_problems(Problem(pointer_to(one.place), one.detail) for one in mistakes)


def first_problems(found: Iterable[Problem]) -> list[Problem]:
    """So many of the problems as anyone reads: a document of a megabyte may have a hundred thousand, each at a place
    whose pointer is nearly as long as the document."""
    first: list[Problem] = []
    size = 0
    for one in islice(found, MOST_PROBLEMS):
        size += len(one.pointer) + len(one.detail)
        if first and size > _MOST_CHARACTERS:
            break
        first.append(one)
    return first


def pointer_to(place: tuple[int | str, ...]) -> str:
    """The JSON Pointer (RFC 6901) to a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)
