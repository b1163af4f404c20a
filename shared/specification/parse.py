"""Documents → models, with every mistake told at once, by its place and what was expected there."""

import re
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import Invalid, Problem
from shared.specification.mistakes import detail_of, without_echoes
from shared.specification.values import UNION_TAG, is_finite

T = TypeVar("T")

_MAY_BE_INFINITE = re.compile(rb"[0-9.][eE]\+?[0-9]{3}")
_SURELY_READ, _ROOM = 150, 20
"""No reader stops at so many levels of nesting; so many more than a document has may be around it."""
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool"})


def parse(adapter: TypeAdapter[T], document: Any) -> T:
    """Validate a decoded document (a dict from JSON or YAML).

    Raises:
        Invalid: with one problem for each mistake.
    """
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise Invalid(problems(error, document, adapter._type)) from None


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
    """Events carry what is read here some levels deeper, and whoever reads those stops at the same depth."""
    try:
        from_json(b"[" * _ROOM + text + b"]" * _ROOM)
    except ValueError:
        return False
    return True


def problems(error: ValidationError, document: Any, root: Any) -> list[Problem]:
    """Pydantic's errors as problems with JSON pointers; tags of unions are no part of a user's document. `root` is the
    type that was to be made."""
    errors: list[dict[str, Any]] = [
        {**one, "place": (*_place(one["loc"], document), *_tag_in(dict(one)))}
        for one in error.errors(include_url=False, include_context=True, include_input=True)
    ]
    return [Problem(pointer_to(one["place"]), detail_of(one, root)) for one in without_echoes(errors)]


def _tag_in(error: dict[str, Any]) -> tuple[str, ...]:
    """The field whose value says which kind it is."""
    return (error["ctx"]["discriminator"].strip("'"),) if error["type"] == "union_tag_invalid" else ()


def pointer_to(place: tuple[int | str, ...]) -> str:
    """The JSON Pointer (RFC 6901) to a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)


def _place(location: tuple[int | str, ...], document: Any) -> list[int | str]:
    """Drop the steps that name a member of a union instead of a field or item."""
    place: list[int | str] = []
    at = document
    for step in location:
        if isinstance(step, str) and (step.startswith(UNION_TAG) or _is_tag(at, step)):
            continue
        place.append(step)
        at = at.get(step) if isinstance(at, dict) else at[step] if _has_item(at, step) else None
    return place


def _is_tag(at: Any, step: str) -> bool:
    if not isinstance(at, dict):
        return True
    if step in at:
        return False
    return "[" in step or step in _SCALAR_TAGS or step in (at.get("style"), at.get("type"), at.get("scheme"))


def _has_item(at: Any, step: int | str) -> bool:
    return isinstance(at, (list, tuple)) and isinstance(step, int) and step < len(at)
