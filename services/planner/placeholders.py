"""Fills placeholders such as `{parameters.name}` in requests, encoded for the place they stand in. `{{` is a brace.
Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from shared.errors import Invalid, Problem
from shared.specification.parse import parse
from shared.specification.placeholders import PLACEHOLDER, unknown_placeholder
from shared.specification.request import NumberedPages, OffsetPages, Pages, PlanCall, Request
from shared.specification.values import Scalar, Strict

_REQUEST: TypeAdapter[Any] = TypeAdapter(Request)
_PLAN: TypeAdapter[Any] = TypeAdapter(PlanCall)


def named(**groups: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Values under the names that placeholders have: `parameters.region`, `input.month` …"""
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def fill(
    request: Request, values: Mapping[str, Scalar], at: str, *, later: Collection[str] = ()
) -> Request | list[Problem]:
    """The request with its placeholders filled, or one problem for each unknown one, or for each part that its values
    make unusable, at the place `at`. Those `later` are left as they stand: whoever knows them fills them."""
    filler = _Filler(values, later)
    filled = request.model_copy(
        update={
            "path": filler.text(request.path, f"{at}/path", in_path=True),
            "query": {name: filler.whole(value, f"{at}/query/{name}") for name, value in request.query.items()},
            "headers": {name: filler.text(value, f"{at}/headers/{name}") for name, value in request.headers.items()},
            "json_": filler.whole(request.json_, f"{at}/json"),
        }
    )
    return filler.problems or _mistakes(_REQUEST, filled, request, at) or filled


def fill_pages(pages: Pages, values: Mapping[str, Scalar], at: str) -> Pages | list[Problem]:
    """Paging with the placeholders of its metadata call filled, where it has one; problems as in `fill`."""
    if not isinstance(pages, (OffsetPages, NumberedPages)) or pages.plan is None:
        return pages
    filler = _Filler(values, ())
    query = {name: filler.whole(value, f"{at}/plan/query/{name}") for name, value in pages.plan.query.items()}
    path = filler.text(pages.plan.path, f"{at}/plan/path", in_path=True)
    plan = pages.plan.model_copy(update={"path": path, "query": query})
    problems = filler.problems or _mistakes(_PLAN, plan, pages.plan, f"{at}/plan")
    return problems or pages.model_copy(update={"plan": plan})


def _mistakes(adapter: TypeAdapter[Any], filled: Strict, written: Strict, at: str) -> list[Problem]:
    """What was good as it was written may not be with its values: `..` in a path, a line break in a header."""
    if filled == written:
        return []
    try:
        parse(adapter, filled.model_dump(by_alias=True))
    except Invalid as error:
        return [Problem(f"{at}{one.pointer}", f"{one.detail}, also with its values") for one in error.problems]
    return []


def mentions(request: Request, name: str) -> bool:
    """Whether a placeholder of that name stands anywhere in a request."""
    filler = _Filler({}, ())
    filler.whole([request.path, dict(request.query), dict(request.headers), request.json_], "")
    return name in filler.met


class _Filler:
    """Writes values into templates and keeps the problems it met."""

    def __init__(self, values: Mapping[str, Scalar], later: Collection[str]) -> None:
        self.problems: list[Problem] = []
        self.met: set[str] = set()
        self._values = values
        self._later = later

    def text(self, template: str, pointer: str, *, in_path: bool = False) -> str:
        """A text with every placeholder filled; in a path the values are percent-encoded."""

        def one(match: re.Match[str]) -> str:
            if match[0] in ("{{", "}}"):
                return match[0][0]
            if match[1] in self._later:
                return match[0]
            found = str(self._value(match[1], pointer))
            return quote(found, safe="") if in_path else found

        return PLACEHOLDER.sub(one, template)

    def whole(self, value: Any, pointer: str) -> Any:
        """Any JSON value. A placeholder that is the whole of a text keeps the type of what it stands for."""
        match value:
            case str():
                alone = PLACEHOLDER.fullmatch(value)
                if alone and alone[1] and alone[1] not in self._later:
                    return self._value(alone[1], pointer)
                return self.text(value, pointer)
            case dict():
                return {name: self.whole(inner, f"{pointer}/{name}") for name, inner in value.items()}
            case list() | tuple():
                return type(value)(self.whole(inner, f"{pointer}/{index}") for index, inner in enumerate(value))
            case _:
                return value

    def _value(self, name: str, pointer: str) -> Scalar:
        self.met.add(name)
        if name in self._values:
            return self._values[name]
        self.problems.append(unknown_placeholder(pointer, name, (*self._values, *self._later)))
        return ""
