"""Placeholders such as `{parameters.id}`: where they stand, and whether anything fills them. That is told when a
document is written down, not when it is due, and together with all its other mistakes. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared.errors import Invalid, Problem
from shared.specification.invoke import AFTER_IT, IN_SUBMIT, Input
from shared.specification.job import JobSpecification, kind_of
from shared.specification.parse import parse, pointer_to
from shared.specification.source import EITHER, REQUESTS, Source

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""`{name}`, or a brace written twice, which is a brace."""

T = TypeVar("T")

_JOB: TypeAdapter[Any] = TypeAdapter(JobSpecification)
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def read_job(document: Any) -> Any:
    """A job's document as its model.

    Raises:
        Invalid: with one problem for each mistake, placeholders that nothing fills among them. What a named source
            needs is not known here.
    """
    return _read(_JOB, document, _unfilled_in_job(document))


def read_source(document: Any) -> Source:
    """A source's document as its model.

    Raises:
        Invalid: as `read_job`.
    """
    return _read(_SOURCE, document, _mistakes_of_source(document))


def _read(adapter: TypeAdapter[T], document: Any, besides: Sequence[Problem]) -> T:
    """What a model cannot tell of a document that has other mistakes, too, is told `besides` these."""
    try:
        found = parse(adapter, document)
    except Invalid as error:
        raise Invalid([*error.problems, *(one for one in besides if one not in error.problems)]) from None
    if besides:
        raise Invalid(besides)
    return found


def placeholders_in(value: Any, at: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """The placeholders in a part of a document, however deep they stand: the place and the name of each."""
    match value:
        case str():
            yield from ((at, name) for name in PLACEHOLDER.findall(value) if name)
        case dict():
            for name, inner in value.items():
                yield from placeholders_in(inner, (*at, name))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from placeholders_in(inner, (*at, index))


def unknown_placeholder(pointer: str, name: str, known: Collection[str]) -> Problem:
    """The problem of a placeholder that nothing fills. Braces of another language, such as GraphQL's, are one, too."""
    told = ", ".join(f"{{{one}}}" for one in known) or "none"
    doubled = "a brace itself is written {{ or }}"
    return Problem(pointer, f"unknown placeholder {{{name}}}; known here: {told}; {doubled}")


@dataclass(frozen=True, slots=True)
class _Given:
    """What fills placeholders: these names, and whatever begins with one of `groups`."""

    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


_GIVEN_LATER = {"poll": _Given(groups=("parameters",)), "invoke": _Given(groups=("parameters", "input"))}


def _unfilled_in_job(document: Any) -> list[Problem]:
    kind = kind_of(document)
    if kind is None or kind not in REQUESTS or not isinstance(document, dict):
        return []
    names = [f"parameters.{name}" for name in _mapping(document.get("parameters"))]
    if kind == "invoke":
        inputs = document.get("input")
        found = [_mapping(one) for one in inputs] if isinstance(inputs, (list, tuple)) else []
        names += dict.fromkeys(f"input.{name}" for one in found for name in one)
    return list(_unfilled({kind: document[kind]}, _Given(names=tuple(names))))


def _mistakes_of_source(document: Any) -> list[Problem]:
    """The values of a source's parameters and inputs come with each job, under whatever names."""
    works = {name: _mapping(document)[name] for name in _GIVEN_LATER if name in _mapping(document)}
    found = [one for name, work in works.items() for one in _unfilled({name: work}, _GIVEN_LATER[name])]
    given = [name for name, work in works.items() if work is not None]
    return found if len(given) == 1 or not isinstance(document, dict) else [Problem("", EITHER), *found]


def _unfilled(document: Mapping[str, Any], given: _Given) -> Iterator[Problem]:
    for place, name in placeholders_in(requests_of(document)):
        known = (*given.names, *_filled_later(place))
        if name not in known and name.partition(".")[0] not in given.groups:
            yield unknown_placeholder(pointer_to(place), name, (*(f"{one}.NAME" for one in given.groups), *known))


def requests_of(document: Any, parts: Any = REQUESTS) -> Any:
    """Of a document as it was written, right or wrong, the parts in which placeholders are filled."""
    if parts is True or not isinstance(document, dict):
        return document if parts is True else None
    return {name: requests_of(document[name], inner) for name, inner in parts.items() if name in document}


def _filled_later(place: tuple[int | str, ...]) -> tuple[str, ...]:
    """What whoever makes the calls of an invocation fills there."""
    if place[0] != "invoke":
        return ()
    return IN_SUBMIT if place[1] == "submit" else AFTER_IT


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def missing_values(source: Source, parameters: Collection[str], inputs: Input | None = None) -> list[Problem]:
    """One problem for each value that a source needs and nobody gives. The inputs of a job replace the source's own."""
    given = [*(f"parameters.{name}" for name in parameters), *IN_SUBMIT, *AFTER_IT]
    given += [f"input.{name}" for one in inputs or source.input or () for name in one]
    found = placeholders_in(requests_of(source.model_dump(by_alias=True)))
    return [
        Problem("/parameters" if name.startswith("parameters.") else "/source", f"{source.source} needs {{{name}}}")
        for name in dict.fromkeys(name for _, name in found)
        if name not in given
    ]
