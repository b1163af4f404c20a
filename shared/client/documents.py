"""Files of vendors, sources, hooks, schedules and jobs: YAML with several documents, or JSON. All mistakes are reported
before anything is sent."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml
from pydantic import TypeAdapter

from shared.client.connection import ApiError
from shared.client.yaml_text import read_yaml
from shared.errors import Invalid, Problem
from shared.events.firing import read_schedule
from shared.specification.hook import Hook
from shared.specification.hosts import read_vendor
from shared.specification.job import KINDS, InvokeJob
from shared.specification.parse import decode_json, parse
from shared.specification.placeholders import read_job, read_source
from shared.specification.source import Source
from shared.specification.vendor import Callbacks, Vendor
from shared.specification.waits import wait_mistakes

STANDARD_INPUT = "-"
_VENDOR: TypeAdapter[Vendor] = TypeAdapter(Vendor)
_READ: dict[str, Callable[[Any], object]] = {
    "vendors": read_vendor,
    "sources": read_source,
    "hooks": partial(parse, TypeAdapter(Hook)),
    "schedules": lambda document: read_schedule(document, datetime.now(UTC)),
    "job": read_job,
}
_ORDER = ("vendors", "sources", "hooks", "schedules")


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its place; `kind` is `vendors`, `sources`, `hooks`, `schedules` or `job`."""

    place: str
    kind: str
    name: str
    content: dict[str, Any]


def load(texts: Sequence[tuple[str, str]]) -> list[Document]:
    """Documents from (file name, text), checked.

    Raises:
        Invalid: with every mistake of every file; pointers are `file:document:pointer`.
    """
    found: list[Document] = []
    problems: list[Problem] = []
    for name, text in texts:
        try:
            found += _documents(name, text)
        except yaml.YAMLError as error:
            problems.append(Problem(name, f"neither YAML nor JSON: {_text_of(error)}"))
    rules = _rules_in(found)
    for document in found:
        problems += _check(document, rules)
    if problems:
        raise Invalid(problems)
    return found


def load_configuration(texts: Sequence[tuple[str, str]]) -> list[Document]:
    """Vendors, sources, hooks and schedules, in this order, because the later name the earlier.

    Raises:
        Invalid: as `load`, or a document is a job, or a schedule that would be another one each time.
    """
    found = load(texts)
    if problems := [Problem(document.place, why) for document in found if (why := _why_not_applied(document))]:
        raise Invalid(problems)
    return sorted(found, key=lambda document: _ORDER.index(document.kind))


def _why_not_applied(document: Document) -> str:
    if document.kind == "job":
        return "is a job; jobs go to sluice submit"
    if document.kind == "schedules" and not document.name:
        return "a schedule that is applied needs a name (schedule: NAME): each time it would be one more"
    return ""


def load_job(text: tuple[str, str]) -> dict[str, Any]:
    """The one job of a file.

    Raises:
        Invalid: as `load`, or it is something else.
    """
    found = load([text])
    if len(found) != 1 or found[0].kind != "job":
        raise Invalid([Problem(text[0], "expected one job; vendors, sources and hooks go to sluice apply")])
    return found[0].content


def load_schedule(text: tuple[str, str]) -> dict[str, Any]:
    """The one schedule of a file.

    Raises:
        Invalid: as `load`, or it is something else.
    """
    found = load([text])
    if len(found) != 1 or found[0].kind != "schedules":
        raise Invalid([Problem(text[0], "expected one schedule; several go to sluice apply")])
    return found[0].content


def make_job(
    *, url: str | None, source: str | None, vendor: str | None, path: str, pages: str | None
) -> dict[str, Any]:
    """A job without a file: of a URL, a source, or a vendor and a path that may carry a query."""
    style = {"pages": {"style": pages}} if pages else {}
    if source is not None:
        return {"source": source}
    if url is not None:
        return {"url": url, **style}
    place, _, query = path.partition("?")
    request = {"path": place, **({"query": _query_of(query)} if query else {})}
    return {"vendor": vendor, "poll": {"request": request, **style}}


def _query_of(text: str) -> dict[str, str | list[str]]:
    return {
        name: found if len(found) > 1 else found[0] for name, found in parse_qs(text, keep_blank_values=True).items()
    }


def at(document: Document, error: ApiError) -> Invalid:
    """What the server says of a document, with the document's place."""
    problems = [one.within(document.place) for one in error.errors]
    return Invalid(problems or [Problem(document.place, str(error))])


def read(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Names and texts of files; `-` is standard input.

    Raises:
        Invalid: with every file that cannot be read.
    """
    texts: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            texts.append((path, sys.stdin.read() if path == STANDARD_INPUT else Path(path).read_text("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            problems.append(Problem(path, f"cannot be read: {reason}"))
    if problems:
        raise Invalid(problems)
    return texts


def _documents(name: str, text: str) -> Iterator[Document]:
    for number, content in enumerate(_contents(text), 1):
        if content is None:
            continue
        place = f"{name}:{number}"
        kind = _kind(content)
        title = str(content.get(kind.removesuffix("s")) or "") if isinstance(content, dict) else ""
        yield Document(place, kind, title, content)


def _contents(text: str) -> list[Any]:
    """JSON is nearly YAML, but its tabs are not."""
    if text.lstrip().startswith("{"):
        try:
            found = [decode_json(text.encode())]
        except Invalid:
            return read_yaml(text)
        json.loads(text, object_pairs_hook=_each_once)
        return found
    return read_yaml(text)


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that has a key twice, as in YAML."""
    names = Counter(name for name, _ in pairs)
    if len(names) < len(pairs):
        raise yaml.YAMLError(f"the key {names.most_common(1)[0][0]} stands twice in one object")


def _kind(content: object) -> str:
    """What a document means to be, by which its mistakes are found."""
    if not isinstance(content, dict):
        return "job"
    if "hook" in content:
        return "hooks"
    if content.keys() & {"schedule", "triggerAt", "every", "cron"}:
        return "schedules"
    if "base_url" in content or ("vendor" in content and not content.keys() & set(KINDS)):
        return "vendors"
    if "source" in content and content.keys() & {"vendor", "poll", "invoke"}:
        return "sources"
    return "job"


def _rules_in(documents: Sequence[Document]) -> dict[str, Callbacks]:
    """The rules of callbacks of the vendors that stand in the same files, by their names."""
    rules: dict[str, Callbacks] = {}
    for document in documents:
        with suppress(Invalid):
            if document.kind == "vendors":
                rules[document.name] = parse(_VENDOR, document.content).callbacks
    return rules


def _check(document: Document, rules: Mapping[str, Callbacks]) -> list[Problem]:
    try:
        found = _READ[document.kind](document.content)
        if isinstance(found, (Source, InvokeJob)) and found.invoke is not None and found.vendor in rules:
            problems = wait_mistakes(found.invoke.model_dump(by_alias=True), rules[found.vendor])
            if problems:
                raise Invalid(problems)
    except Invalid as error:
        return [problem.within(document.place) for problem in error.problems]
    return []


def _text_of(error: yaml.YAMLError) -> str:
    """In one line, with its place."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).splitlines()[0]
