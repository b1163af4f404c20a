"""Anything at every operation of the description: no 5xx, and no answer that the description does not have."""

import json
import random
from typing import Any
from urllib.parse import quote

from tests.integration.callback_gateway.conftest import Served

TEXTS = (
    "",
    "a",
    "acme",
    "é",
    "\x00",
    "../..",
    "%2e%2e",
    "x" * 300,
    "0",
    "-1",
    "1e999",
    "null",
    "'; --",
    "😀",
    "\ud7ff",
)
VALUES: tuple[Any, ...] = (*TEXTS, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, True, None, [], {}, [[]], {"a": {"b": []}})
IDS = ("00000000-0000-0000-0000-000000000000", "01a1fc57-a9c1-72fd-8640-afd1711e030b", "no-id")
NAMES = [
    "vendor",
    "source",
    "url",
    "poll",
    "invoke",
    "request",
    "deliver",
    "hook",
    "schedule",
    "id",
    "base_url",
    "budget",
    "windows",
    "requests",
    "per",
    "burst",
    "cron",
    "every",
    "triggerAt",
    "zone",
    "start",
    "parameters",
    "input",
    "pages",
    "style",
    "size",
    "total",
    "records",
    "select",
    "key",
    "sinks",
    "type",
    "notify",
    "webhook",
    "filter",
    "reason",
    "state",
    "rate",
    "force",
    "dry_run",
    "from",
    "to",
    "event",
    "secret",
    "retry",
    "attempts",
    "verify",
    "scheme",
    "secrets",
]
EXAMPLES = 100


def document(chance: random.Random, depth: int = 0) -> Any:
    """Something that is nearly what is wanted, or not at all."""
    if depth > 3 or chance.random() < 0.3:
        return chance.choice(VALUES)
    if chance.random() < 0.2:
        return [document(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(NAMES): document(chance, depth + 1) for _ in range(chance.randrange(1, 5))}


def spoiled(chance: random.Random, example: Any) -> Any:
    """A good document with something in it replaced."""
    if not isinstance(example, dict) or not example or chance.random() < 0.2:
        return document(chance)
    name = chance.choice(list(example))
    return {**example, name: spoiled(chance, example[name])}


def target(chance: random.Random, path: str, operation: dict[str, Any]) -> str:
    """The path with values in it, and a query."""
    query = []
    for parameter in operation.get("parameters", ()):
        value = str(chance.choice((*IDS, *TEXTS, 0, 5)))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value or "-", safe=""))
        elif parameter["in"] == "query" and chance.random() < 0.4:
            query.append(f"{parameter['name']}={quote(value, safe='')}")
    return path + (f"?{'&'.join(query)}" if query else "")


def body_of(chance: random.Random, operation: dict[str, Any]) -> bytes | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    examples = [example["value"] for example in content.get("examples", {}).values()]
    found = spoiled(chance, chance.choice(examples)) if examples and chance.random() < 0.7 else document(chance)
    return json.dumps(found).encode()


async def test_no_operation_answers_what_it_does_not_describe(edge: Served) -> None:
    description = (await edge.http.get("/openapi.json")).json()
    chance, wrong = random.Random(20261121), []
    for path, operations in description["paths"].items():
        if path.endswith("/events"):
            continue
        for method, operation in operations.items():
            for _ in range(EXAMPLES):
                where, body = target(chance, path, operation), body_of(chance, operation)
                headers = {"content-type": "application/json"} if body is not None else {}
                answer = await edge.http.request(method.upper(), where, content=body, headers=headers)
                if answer.status_code >= 500 or not _is_described(answer.status_code, operation):
                    wrong.append((method, where, body, answer.status_code, answer.text[:200]))
    assert wrong == []


def _is_described(status: int, operation: dict[str, Any]) -> bool:
    """Of a path that a value led elsewhere, nothing else is there: 404 and 405 may always be."""
    return str(status) in operation["responses"] or status in (404, 405)
