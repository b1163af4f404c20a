"""Whether something fills the placeholders of a document, such as `{parameters.id}`. Unknown ones are reported when the
document arrives, not when it is due, and together with all its other mistakes. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pydantic import TypeAdapter

from shared.errors import Problem
from shared.specification.invoke import AFTER_IT, IN_SUBMIT, Input
from shared.specification.job import JobSpecification, kind_of
from shared.specification.parse import first_problems, parse, pointer_to
from shared.specification.source import BY_TYPE, EITHER, REQUESTS, Source
from shared.specification.templates import Place, placeholders_in, unknown_placeholder
from shared.specification.waits import wait_mistakes
from shared.specification.walks import OF_PAGES, WrittenWalk, walks_in

_JOB: TypeAdapter[Any] = TypeAdapter(JobSpecification)
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def read_job(document: Any) -> JobSpecification:
    """A job's document as its model.

    Raises:
        Invalid: with one problem for each mistake, placeholders that nothing fills among them. What a named source
            needs is not known here.
    """
    job: JobSpecification = parse(_JOB, document, _mistakes_of_job(document))
    return job


def read_source(document: Any) -> Source:
    """A source's document as its model.

    Raises:
        Invalid: as `read_job`.
    """
    return parse(_SOURCE, document, _mistakes_of_source(document))


@dataclass(frozen=True, slots=True)
class _Given:
    """What fills placeholders: these names, and whatever begins with one of `groups`."""

    names: Collection[str] = ()
    groups: tuple[str, ...] = ()


_GIVEN_LATER = {"poll": _Given(groups=("parameters",)), "invoke": _Given(groups=("parameters", "input"))}


def _mistakes_of_job(document: Any) -> Iterable[Problem]:
    kind = kind_of(document)
    if kind is None or not isinstance(document, dict):
        return ()
    names = {f"parameters.{name}": None for name in _mapping(document.get("parameters"))}
    if kind == "invoke" and isinstance(inputs := document.get("input"), (list, tuple)):
        names |= dict.fromkeys(f"input.{name}" for one in inputs for name in _mapping(one))
    part = {name: document[name] for name in (kind, "pages") if name in document}
    return chain(_mistakes(part, _Given(names)), _waits(document), _topics(kind, document))


def _mistakes_of_source(document: Any) -> Iterator[Problem]:
    """The values of a source's parameters and inputs come with each job, under whatever names."""
    works = {name: _mapping(document)[name] for name in _GIVEN_LATER if name in _mapping(document)}
    if isinstance(document, dict) and sum(work is not None for work in works.values()) != 1:
        yield Problem("", EITHER)
    for name, work in works.items():
        yield from _mistakes({name: work}, _GIVEN_LATER[name])
    yield from _waits(_mapping(document))


def _waits(document: Mapping[str, Any]) -> list[Problem]:
    """What the vendor has to do with it is not known here."""
    invoke = _mapping(document.get("invoke"))
    return wait_mistakes(invoke, None) if isinstance(invoke.get("submit"), dict) else []


def _topics(kind: str, document: Mapping[str, Any]) -> list[Problem]:
    """Records of a job that is no source's would have no topic to go to."""
    sinks = document.get("sinks")
    if kind == "source" or not isinstance(sinks, (list, tuple)):
        return []
    of_topics = any(_mapping(BY_TYPE.in_full(one)).get("type") == "topic" for one in sinks)
    return [Problem("/sinks", "a topic belongs to a source: apply one, and run it by name")] if of_topics else []


def _mistakes(document: Mapping[str, Any], given: _Given) -> Iterator[Problem]:
    walks = walks_in(document)
    for place, name in placeholders_in(requests_of(document)):
        walk = next((walk for walk in walks if place[: len(walk.at) + 1] == (*walk.at, "request")), None)
        of_place = (*_filled_later(place), *(walk.known_at(place) if walk else ()))
        if name not in given.names and name not in of_place and name.partition(".")[0] not in given.groups:
            shown = [f"{group}.NAME" for group in given.groups], given.names, of_place
            yield unknown_placeholder(pointer_to(place), name, *shown, where=_where(walk, name))
    yield from (mistake for walk in walks if (mistake := walk.mistake))


def _where(walk: WrittenWalk | None, name: str) -> str:
    """What keeps a placeholder of pages from being known."""
    if walk is None or name not in OF_PAGES:
        return ""
    return " in a path" if name in walk.names else f" where pages.style is {walk.style}"


def requests_of(document: Any, parts: Any = REQUESTS) -> Any:
    """Of a document as it was written, right or wrong, the parts in which placeholders are filled."""
    if parts is True or not isinstance(document, dict):
        return document if parts is True else None
    return {name: requests_of(document[name], inner) for name, inner in parts.items() if name in document}


def _filled_later(place: Place) -> tuple[str, ...]:
    """The placeholders that are filled there when an invocation's calls are made."""
    if place[0] != "invoke":
        return ()
    return IN_SUBMIT if place[1] == "submit" else AFTER_IT


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def missing_values(source: Source, parameters: Collection[str], inputs: Input | None = None) -> list[Problem]:
    """One problem for each value that a source needs and is not given. The inputs of a job replace the source's own."""
    given = {*(f"parameters.{name}" for name in parameters), *IN_SUBMIT, *AFTER_IT, *OF_PAGES}
    given |= {f"input.{name}" for one in inputs or source.input or () for name in one}
    found = placeholders_in(requests_of(source.model_dump(by_alias=True)))
    return first_problems(
        Problem("/parameters" if name.startswith("parameters.") else "/source", f"{source.source} needs {{{name}}}")
        for name in dict.fromkeys(name for _, name in found)
        if name not in given
    )
