"""Documents → models. All mistakes are reported together, each with its place and what was expected there."""

import re
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import Invalid, Problem
from shared.specification.mistakes import mistakes_of
from shared.specification.values import is_finite

T = TypeVar("T")

_MAY_BE_INFINITE = re.compile(rb"[0-9.][eE]\+?[0-9]{3}")
_SURELY_READ, _ROOM = 150, 20
"""A reader takes at least the first number of levels; the second is how many an event adds around a document."""

_MOST_ERRORS = 5000
"""More are not named: no writer needs them, and pydantic can only show all of them, which takes seconds."""


def parse(adapter: TypeAdapter[T], document: Any) -> T:
    """Validate a decoded document (a dict from JSON or YAML).

    Raises:
        Invalid: with one problem for each mistake.
    """
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise Invalid(problems(error, adapter._type)) from None


def decode_json(text: bytes) -> Any:
    """JSON text → values. Refuses NaN, deep nesting, byte order marks, and numbers of thousands of digits or beyond all
    bounds.

    Raises:
        Invalid: with one problem at the root.
    """
    try:
        found = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid([Problem("", f"not JSON: {error}")]) from None
    if text.count(b"[") + text.count(b"{") > _SURELY_READ and not _fits_in_an_envelope(text):
        raise Invalid([Problem("", "not JSON that can be kept: it is nested too deeply")])
    if _MAY_BE_INFINITE.search(text) and not is_finite(found):
        raise Invalid([Problem("", "not JSON that can be kept: a number is beyond all bounds")])
    return found


def _fits_in_an_envelope(text: bytes) -> bool:
    """Events carry a document some levels deeper, and their readers stop at the same depth."""
    try:
        from_json(b"[" * _ROOM + text + b"]" * _ROOM)
    except ValueError:
        return False
    return True


def problems(error: ValidationError, root: Any) -> list[Problem]:
    """Pydantic's errors as problems with JSON pointers. `root` is the type that was to be made."""
    if error.error_count() > _MOST_ERRORS:
        return [Problem("", f"expected at most {_MOST_ERRORS} mistakes, got {error.error_count()}")]
    found = error.errors(include_url=False, include_context=True, include_input=True)
    return [Problem(pointer_to(one.place), one.detail) for one in mistakes_of([dict(one) for one in found], root)]


def pointer_to(place: tuple[int | str, ...]) -> str:
    """The JSON Pointer (RFC 6901) to a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)
