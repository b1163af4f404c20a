"""What of an invocation differs from input to input: only that is filled and checked for each of its inputs. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from shared.errors import Problem
from shared.specification.invoke import Invoke
from shared.specification.request import NumberedPages, OffsetPages, Request
from shared.specification.scalars import Scalar
from shared.specification.templates import placeholders_in
from shared.specification.values import Strict

Inputs = Sequence[Mapping[str, Scalar]]

_GROUP = "input."
MOST_BYTES = 32 * 2**20
"""Of what is filled for the inputs of one job together. Its submits are planned by one statement, and held several
times until it is sent."""
_MOST_VALUES = 2_000_000
"""JSON values in what is filled for the inputs of one job together: some seconds of work."""


def input_names(*parts: Any) -> Counter[str]:
    """How often each value of an input stands in these parts of an invocation."""
    found = placeholders_in([_plain(part) for part in parts])
    return Counter(name.removeprefix(_GROUP) for _, name in found if name.startswith(_GROUP))


def only_varying(invoke: Invoke) -> Invoke:
    """The invocation with those parts of its later calls alone that the values of an input could make unusable. Bodies
    are not among them: any value is good there."""
    status, abort, results = invoke.status, invoke.abort, invoke.results
    if status is not None:
        request = _varying(status.request)
        status = status.model_copy(update={"request": request}) if input_names(request) else None
    if abort is not None:
        abort = _varying(abort)
        abort = abort if input_names(abort) else None
    if results is not None:
        results = results.model_copy(update={"request": _varying(results.request)})
        pages = results.pages
        if isinstance(pages, (OffsetPages, NumberedPages)) and pages.plan is not None:
            plan = pages.plan.model_copy(update={"query": _varying_only(pages.plan.query)})
            results = results.model_copy(update={"pages": pages.model_copy(update={"plan": plan})})
        results = results if input_names(results) else None
    return invoke.model_copy(update={"status": status, "abort": abort, "results": results})


def _varying(request: Request) -> Request:
    query, headers = _varying_only(request.query), _varying_only(request.headers)
    return request.model_copy(update={"query": query, "headers": headers, "json_": None})


def _varying_only(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if input_names(value)}


def longest(request: Request, inputs: Inputs) -> Mapping[str, Scalar]:
    """The input that makes the longest call of this request."""
    names = input_names(request)
    return max(inputs, key=lambda given: sum(len(to_json(given.get(name))) * times for name, times in names.items()))


def too_much(parts: Sequence[Strict | None], inputs: int) -> list[Problem]:
    """Why these parts of an invocation cannot be filled for so many inputs, whatever the inputs are."""
    plain = [_plain(part) for part in parts if part is not None]
    filled = f"too_large: filled for {inputs} inputs, the requests have"
    size, values = len(to_json(plain)) * inputs, _count(plain) * inputs
    if size > MOST_BYTES:
        return [Problem("/input", f"{filled} {size} bytes; expected at most {MOST_BYTES}")]
    if values > _MOST_VALUES:
        return [Problem("/input", f"{filled} {values} values; expected at most {_MOST_VALUES}")]
    return []


def _plain(part: Any) -> Any:
    return part.model_dump(by_alias=True, exclude_defaults=True) if isinstance(part, Strict) else part


def _count(value: Any) -> int:
    """The texts, numbers and so on in a JSON value, and all that hold them."""
    count, waiting = 0, [value]
    while waiting:
        found = waiting.pop()
        count += 1
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, (list, tuple)):
            waiting += found
    return count
