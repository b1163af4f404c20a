"""Writes docs/reference.md from the models of the specification: `make docs`."""

import re
from dataclasses import dataclass, replace
from inspect import getdoc
from pathlib import Path
from typing import Any, get_type_hints

from pydantic.fields import FieldInfo

from infra.reference_types import Model, default_of, is_tag, models_in, tag_of, words_of
from shared.client.schemas import MODELS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
HEAD = """# Reference

Written by `make docs` from the models in `shared/specification/`: every field of every document.
[What you write](specification.md) explains them with examples. A field may be left out unless it is required. A
dash means that it then has no value; "its own defaults", that its object has those of its own fields.

| type | how it is written |
|---|---|
| duration | `250ms`, `30s`, `5m`, `2h`, `7d`, several of them as in `1h30m`, or ISO 8601; whole milliseconds, at most ten years |
| size | a number of bytes, or `64KiB`, `16MiB`, `10MB` |
| share | `1%`, or `0.01` |
| name | lower case letters, digits, dots and hyphens, at most 63 |
| secret reference | `env:NAME` or `file:/PATH`, never the secret itself |
| expression | JMESPath, at most 2,000 characters, over an answer (`body`, `headers`, `status`), a message that came in (`body`, `headers`), a body (`body`), or a record |
| time with its offset | RFC 3339: `2026-12-24T18:00:00.250+01:00` |
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A model, and the heading that links lead to."""

    model: Model
    title: str
    level: int

    @property
    def link(self) -> str:
        """Where the heading is on the page."""
        return "#" + re.sub(r"[^a-z0-9 _-]", "", self.title.lower()).replace(" ", "-")


def page() -> str:
    """The whole page."""
    found = sections()
    links = {section.model: section.link for section in found}
    parts = [HEAD]
    for section in found:
        if section.title.startswith("Job with") and "## Job\n" not in parts:
            parts.append("## Job\n")
        parts.append(_section(section, links))
    return "\n".join(parts)


def sections() -> list[Section]:
    """Every model once, each behind the one that has it first."""
    found: dict[Model, Section] = {}
    for name, root in MODELS.items():
        kinds = list(models_in(root))
        for model in kinds:
            title = name.capitalize() if len(kinds) == 1 else f"Job with `{tag_of(root, model)}`"
            _visit(Section(model, title, 2 if len(kinds) == 1 else 3), name, found)
    return list(found.values())


def _visit(section: Section, root: str, found: dict[Model, Section]) -> None:
    if section.model in found:
        return
    is_taken = any(other.title == section.title for other in found.values())
    found[section.model] = replace(section, title=f"{section.title} of a {root}") if is_taken else section
    for name, kind in _kinds(section.model).items():
        for model in models_in(kind):
            tag = tag_of(kind, model)
            _visit(Section(model, f"`{name}`, `{tag}`" if tag else f"`{name}`", 3), root, found)


def _kinds(model: Model) -> dict[str, Any]:
    """The types of a model's fields with all that belongs to them, by the names that they have in documents."""
    hints = get_type_hints(model, include_extras=True)
    return {field.alias or name: hints[name] for name, field in model.model_fields.items()}


def fields_of(model: Model) -> dict[str, FieldInfo]:
    """The fields of a model, its own first, without those that its heading names."""
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] not in model.__annotations__)
    return {field.alias or name: field for name, field in fields if not is_tag(field)}


def _section(section: Section, links: dict[Model, str]) -> str:
    kinds, fields = _kinds(section.model), fields_of(section.model)
    rows = [
        f"| `{name}` | {words_of(kinds[name], links)} | {default_of(kinds[name], field)} | {_line(field.description)} |"
        for name, field in fields.items()
    ]
    table = ["| field | type | default | meaning |", "|---|---|---|---|", *rows, ""] if rows else []
    about = re.sub(r"(?<!\n)\n(?!\n)", " ", getdoc(section.model) or "")
    return "\n".join((f"{'#' * section.level} {section.title}\n", f"{about}\n", *table))


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
