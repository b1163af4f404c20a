"""Fills placeholders such as `{parameters.name}` in requests, encoded for the place they stand in. `{{` is a brace.
Pure."""

import re
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from services.planner.model import Resolved
from shared.errors import Invalid, Problem
from shared.specification.parse import MOST_PROBLEMS, first_problems, parse, pointer_to
from shared.specification.request import NumberedPages, OffsetPages, Pages, PlanCall, Request
from shared.specification.scalars import Scalar
from shared.specification.source import Poll
from shared.specification.templates import PLACEHOLDER, Place, has_braces, placeholders_in, unknown_placeholder
from shared.specification.values import Strict
from shared.specification.walks import page_names

_REQUEST: TypeAdapter[Any] = TypeAdapter(Request)
_PLAN: TypeAdapter[Any] = TypeAdapter(PlanCall)


class Absent(Enum):
    """What is not there, such as the cursor of a first page. A value that is its placeholder alone is left out, and so
    is a query parameter that has no other values. Inside a text the placeholder becomes the empty text."""

    ABSENT = ""


Value = Scalar | Absent
"""What a placeholder can stand for."""


def named(**groups: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Values under the names that placeholders have: `parameters.region`, `input.month` …"""
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def as_text(value: object) -> str:
    """A value where only text can stand: true and false as JSON has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fill(
    request: Request, values: Mapping[str, Value], at: str, *, later: Collection[str] = ()
) -> Request | list[Problem]:
    """The request with its placeholders filled, or one problem for each unknown one, or for each part that its values
    make unusable, at the place `at`. Those `later` stay placeholders. If there is one, the request
    stays a template, in which other braces are written twice: no value can bring a placeholder."""
    return _checked(_Filler(values, later, keeps=is_template(request, later)), request, at)


def is_template(request: Request, names: Collection[str]) -> bool:
    """Whether a placeholder with one of these names stands anywhere in a request."""
    return any(name in names for _, name in placeholders_in(_parts(request)))


def fill_page(request: Request, numbers: Mapping[str, int]) -> Request:
    """The request for one of many pages: a template of which only these are left to fill. No number makes a part
    unusable, so that is not looked at."""
    return _filled(_Filler(numbers, ()), request, "")


def fill_poll(resolved: Resolved, poll: Poll, values: Mapping[str, Scalar], at: str) -> Resolved | list[Problem]:
    """The job with a poll in which all is filled that is known before any page is; problems as in `fill`. Where the
    request has placeholders of pages it stays a template, in which other braces are written twice."""
    pages = fill_pages(poll.pages, values, f"{at}/pages")
    if pages is poll.pages and not has_braces(_parts(poll.request)):
        return resolved.model_copy(update={"poll": poll})
    names = names_in(poll.pages)
    paged = is_template(poll.request, names)
    request = _checked(_Filler(values, names, keeps=paged), poll.request, f"{at}/request")
    if isinstance(request, list) or isinstance(pages, list):
        return [problem for one in (request, pages) if isinstance(one, list) for problem in one]
    filled = Poll.model_construct(request=request, pages=pages, records=poll.records)
    return resolved.model_copy(update={"poll": filled, "paged": paged})


def names_in(pages: Pages) -> tuple[str, ...]:
    """The placeholders that are filled page by page."""
    return page_names(pages.style, sized=getattr(pages, "size", None) is not None)


def _checked(filler: "_Filler", request: Request, at: str) -> Request | list[Problem]:
    filled = _filled(filler, request, at)
    return first_problems(filler.problems) or _mistakes(_REQUEST, filled, request, at) or filled


def _filled(filler: "_Filler", request: Request, at: str) -> Request:
    headers: dict[str, Value] = filler.whole(request.headers, f"{at}/headers")
    query: dict[str, Any] = filler.whole(request.query, f"{at}/query")
    return request.model_copy(
        update={
            "path": filler.text(request.path, f"{at}/path", in_path=True),
            "query": {name: value for name, value in query.items() if value != ()},
            "headers": {name: as_text(value) for name, value in headers.items()},
            "json_": filler.whole(request.json_, f"{at}/json"),
        }
    )


def fill_pages(pages: Pages, values: Mapping[str, Scalar], at: str) -> Pages | list[Problem]:
    """Paging with the placeholders of its metadata call filled, where it has one; problems as in `fill`."""
    if not isinstance(pages, (OffsetPages, NumberedPages)) or pages.plan is None:
        return pages
    filler = _Filler(values, ())
    query = {name: filler.whole(value, f"{at}/plan/query/{name}") for name, value in pages.plan.query.items()}
    path = filler.text(pages.plan.path, f"{at}/plan/path", in_path=True)
    plan = pages.plan.model_copy(update={"path": path, "query": query})
    problems = first_problems(filler.problems) or _mistakes(_PLAN, plan, pages.plan, f"{at}/plan")
    return problems or pages.model_copy(update={"plan": plan})


def _mistakes(adapter: TypeAdapter[Any], filled: Strict, written: Strict, at: str) -> list[Problem]:
    """What was good as it was written may not be with its values: `..` in a path, a line break in a header. In a body
    every value is good."""
    now, before = (one.model_dump(by_alias=True, exclude={"json_"}) for one in (filled, written))
    if now == before:
        return []
    try:
        parse(adapter, now)
    except Invalid as error:
        return [Problem(f"{at}{one.pointer}", f"{one.detail}, also with its values") for one in error.problems]
    return []


def _parts(request: Request) -> list[Any]:
    return [request.path, request.query, request.headers, request.json_]


class _Filler:
    """Writes values into templates and collects the problems it meets. With `keeps`, what it writes is a template
    again: a brace that is no placeholder's stays, or becomes, two."""

    def __init__(self, values: Mapping[str, Value], later: Collection[str], *, keeps: bool = False) -> None:
        self.problems: list[Problem] = []
        self._values = values
        self._later = later
        self._keeps = keeps

    def text(self, template: str, pointer: str, *, place: Place = (), in_path: bool = False) -> str:
        """A text with every placeholder filled; in a path the values are percent-encoded. It stands at `place` of the
        part at `pointer`. Braces with nothing between them are no placeholder."""

        def one(match: re.Match[str]) -> str:
            if match[0] in ("{{", "}}"):
                return match[0] if self._keeps else match[0][0]
            if match[0] == "{}":
                return str(self._kept(match[0]))
            if match[1] in self._later:
                return match[0]
            value = self._value(match[1], pointer, place)
            found = "" if value is Absent.ABSENT else as_text(value)
            return quote(found, safe="") if in_path else str(self._kept(found))

        return PLACEHOLDER.sub(one, template)

    def whole(self, value: Any, pointer: str, place: Place = ()) -> Any:
        """Any JSON value. A placeholder that is the whole of a text keeps the type of what it stands for."""
        match value:
            case str():
                alone = PLACEHOLDER.fullmatch(value)
                if alone and alone[1] and alone[1] not in self._later:
                    return self._kept(self._value(alone[1], pointer, place))
                return self.text(value, pointer, place=place)
            case dict():
                found = {name: self.whole(inner, pointer, (*place, name)) for name, inner in value.items()}
                return {name: inner for name, inner in found.items() if inner is not Absent.ABSENT}
            case list() | tuple():
                items = [self.whole(inner, pointer, (*place, index)) for index, inner in enumerate(value)]
                return type(value)(item for item in items if item is not Absent.ABSENT)
            case _:
                return value

    def _value(self, name: str, pointer: str, place: Place) -> Value:
        value = self._values.get(name)
        if value is None:
            if len(self.problems) < MOST_PROBLEMS:
                at = f"{pointer}{pointer_to(place)}"
                self.problems.append(unknown_placeholder(at, name, self._values, self._later))
            return ""
        return value

    def _kept(self, value: Value) -> Value:
        """A value as it stands in what is a template again."""
        if self._keeps and isinstance(value, str):
            return value.replace("{", "{{").replace("}", "}}")
        return value
