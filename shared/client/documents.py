"""Files of vendors, sources and jobs: YAML with several documents, or JSON. All mistakes are told before anything is
sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from shared.errors import Invalid, Problem
from shared.specification.job import JobSpecification
from shared.specification.parse import parse
from shared.specification.source import Source
from shared.specification.vendor import Vendor

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "vendors": TypeAdapter(Vendor),
    "sources": TypeAdapter(Source),
    "job": TypeAdapter(JobSpecification),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document and where it stands; `kind` is `vendors`, `sources` or `job`."""

    place: str
    kind: str
    name: str
    content: dict[str, Any]


def load(texts: Sequence[tuple[str, str]]) -> list[Document]:
    """Documents from (file name, text), checked.

    Raises:
        Invalid: with every mistake of every file; pointers begin with `file:document`.
    """
    found: list[Document] = []
    problems: list[Problem] = []
    for name, text in texts:
        try:
            found += _documents(name, text)
        except yaml.YAMLError as error:
            problems.append(Problem(name, f"not YAML or JSON: {str(error).splitlines()[0]}"))
    for document in found:
        problems += _check(document)
    if problems:
        raise Invalid(problems)
    return found


def read(path: str) -> tuple[str, str]:
    """A file's name and text.

    Raises:
        Invalid: it cannot be read.
    """
    try:
        return path, Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid([Problem(path, f"cannot be read: {error}")]) from None


def _documents(name: str, text: str) -> Iterator[Document]:
    for number, content in enumerate(yaml.safe_load_all(text), 1):
        if content is None:
            continue
        place = f"{name}:{number}"
        if not isinstance(content, dict):
            yield Document(place, "job", "", {"": content})
        elif "vendor" in content and "base_url" in content:
            yield Document(place, "vendors", str(content["vendor"]), content)
        elif "source" in content and ("poll" in content or "vendor" in content):
            yield Document(place, "sources", str(content["source"]), content)
        else:
            yield Document(place, "job", "", content)


def _check(document: Document) -> list[Problem]:
    try:
        parse(_ADAPTERS[document.kind], document.content)
    except Invalid as error:
        return [Problem(f"{document.place}{problem.pointer}", problem.detail) for problem in error.problems]
    return []
