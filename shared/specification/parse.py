"""Documents → models, with every mistake told at once, by its place and what was expected there."""

import difflib
import re
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import Invalid, Problem
from shared.specification import hook, invoke, job, notify, request, schedule, source, vendor, verification
from shared.specification.values import Strict, is_finite

T = TypeVar("T")

UNION_TAG = job.UNION_TAG
_MAY_BE_INFINITE = re.compile(rb"[0-9.][eE]\+?[0-9]{3}")
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool"})


def _known_names() -> list[str]:
    models = [
        found
        for module in (hook, invoke, job, notify, request, schedule, source, vendor, verification)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, BaseModel) and found is not Strict
    ]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


KNOWN_NAMES = _known_names()


def parse(adapter: TypeAdapter[T], document: Any) -> T:
    """Validate a decoded document (a dict from JSON or YAML).

    Raises:
        Invalid: with one problem for each mistake.
    """
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        raise Invalid(problems(error, document)) from None


def parse_json(adapter: TypeAdapter[T], text: bytes) -> T:
    """Validate JSON text; what is not JSON at all is one problem at the root.

    Raises:
        Invalid: with one problem for each mistake.
    """
    return parse(adapter, decode_json(text))


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
    if _MAY_BE_INFINITE.search(text) and not is_finite(found):
        raise Invalid([Problem("", "not JSON that can be kept: a number is beyond all bounds")])
    return found


def problems(error: ValidationError, document: Any) -> list[Problem]:
    """Pydantic's errors as problems with JSON pointers; tags of unions are no part of a user's document."""
    found = []
    for one in error.errors(include_url=False, include_context=True, include_input=True):
        place = _place(one["loc"], document)
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)
        found.append(Problem(pointer=pointer, detail=_detail(dict(one), str(place[-1]) if place else "")))
    return found


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
        return step in _SCALAR_TAGS
    return step not in at and step in (at.get("style"), at.get("type"), at.get("scheme"))


def _has_item(at: Any, step: int | str) -> bool:
    return isinstance(at, (list, tuple)) and isinstance(step, int) and step < len(at)


def _detail(one: dict[str, Any], name: str) -> str:
    kind, context, value = one["type"], one.get("ctx", {}), one.get("input")
    if kind == "extra_forbidden":
        near = [known for known in difflib.get_close_matches(name, KNOWN_NAMES, n=2) if known != name]
        return f"unknown field{f'; did you mean {near[0]}?' if near else ''}"
    if kind == "missing":
        return "is missing and has no default"
    if kind in ("greater_than_equal", "less_than_equal") and isinstance(value, (int, float)):
        bound = f"at least {context['ge']}" if kind == "greater_than_equal" else f"at most {context['le']}"
        return f"must be {bound}, got {value}"
    if kind == "union_tag_invalid":
        return f"expected one of: {context['expected_tags']}"
    if kind == "value_error":
        return str(context.get("error", one["msg"]))
    message: str = one["msg"]
    return message[0].lower() + message[1:]
