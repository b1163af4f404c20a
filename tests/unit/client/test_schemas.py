"""The schemas for editors: they take what the documentation shows, and mark what is misspelt."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from shared.client.cli import app
from shared.client.documents import Document, load
from shared.client.schemas import schema_of

PROJECT = Path(__file__).resolve().parents[3]
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])
KINDS = ("vendor", "source", "job", "hook", "schedule")
VENDOR = {"vendor": "acme", "base_url": "https://acme.example"}
SOURCE = {"source": "orders", "vendor": "acme"}


def shown() -> list[Document]:
    """Whatever the documentation shows of vendors, sources, hooks and schedules."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for example in re.findall(r"(?:```yaml\n|<<'YAML'\n)(.*?)\n(?:```|YAML)", text, re.DOTALL):
            if re.match(r"(?:#.*\n)*(vendor|source|hook|schedule):", example):
                found += load([(page.name, example)])
    return found


def mistakes(kind: str | None, document: dict[str, Any]) -> list[str]:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_what_the_documentation_shows_is_good() -> None:
    documents = shown()
    assert {document.kind for document in documents} >= {"vendors", "sources", "hooks", "schedules"}
    for document in documents:
        for kind in (document.kind.removesuffix("s"), None):
            assert mistakes(kind, document.content) == [], (document.place, kind)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("vendor", {**VENDOR, "limits": {"body": "64MiB"}, "timeouts": {"total": "2m"}, "auth": None}),
        ("source", {**SOURCE, "poll": {}, "tolerate": "1%", "payloads": {"keep": "7d"}, "notify": [{"topic": True}]}),
        ("source", {**SOURCE, "poll": {"request": {"query": {"state": ["open", 1]}, "json": {"a": [1, None]}}}}),
        ("source", {**SOURCE, "poll": {"pages": "auto"}, "sinks": ["postgres", "topic"]}),
        ("job", {"url": "https://acme.example/items"}),
        ("job", {"url": "https://acme.example/items", "pages": "link"}),
        ("job", {"source": "orders", "parameters": {"day": "x", "n": 1}}),
        ("job", {"vendor": "acme", "request": {"path": "/"}, "answer": {"headers": ["etag"]}}),
        ("job", {"deliver": "https://acme.example/", "event": {"a": 1}}),
    ],
)
def test_what_is_good_is_taken(kind: str, document: dict[str, Any]) -> None:
    assert mistakes(kind, document) == mistakes(None, document) == []


@pytest.mark.parametrize(
    ("kind", "document", "named"),
    [
        ("vendor", {**VENDOR, "bugdet": {}}, "bugdet"),
        ("vendor", {"vendor": "acme"}, "base_url"),
        ("vendor", {**VENDOR, "network": {"redirects": "yes"}}, "redirects|yes"),
        ("source", {**SOURCE, "poll": {"request": {"pth": "/"}}}, "pth"),
        ("source", {**SOURCE, "poll": {}, "sinks": "postgres"}, "postgres"),
        ("source", {**SOURCE, "poll": {"pages": "cursor"}}, "cursor"),
        ("hook", {"hook": "x", "star": {}}, "star"),
        ("schedule", {"schedule": "x", "every": 15}, "15"),
    ],
)
def test_what_is_misspelt_is_marked(kind: str, document: dict[str, Any], named: str) -> None:
    found = mistakes(kind, document)
    assert found, document
    assert re.search(named, " ".join(found)), found
    assert mistakes(None, document)


def test_each_field_is_described() -> None:
    for name, model in schema_of(None)["$defs"].items():
        for field, shape in model["properties"].items():
            assert "description" in shape or "const" in shape, (name, field)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_the_command_prints_a_schema(kind: str | None) -> None:
    result = CliRunner().invoke(app, ["schema", *([kind] if kind else [])])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == schema_of(kind)


def test_a_kind_that_is_none_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["schema", "vendors"]).exit_code == 2
