"""Anything at every operation of the description: no 5xx, and no status, media type or body that it does not have."""

import json
import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator

from services.callback_gateway.views.handler import view_jobs, view_tasks
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.tasks import Attempt, TaskChanged, TaskState, VendorAnswer
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.tokens import Claim, make_token
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.dead_letters import keep, letter_of_task
from tests.integration.callback_gateway.hooks import hook
from tests.integration.callback_gateway.job_events import BEGAN, incoming
from tests.integration.callback_gateway.made_documents import TEXTS, Maker

JOB = UUID("01a1fc57-a9c1-72fd-8640-afd1711e030b")
NAMES = ("acme", "acme-orders", "acme-order-changed")
"""Those of the description's examples."""
HEADERS = ("wait=0", "wait=x", "k1", "5", "-1")
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
KEY, PROOF = "the key of callback URLs", "the vendor's token"
CALLBACKS = {
    "verify": {"scheme": "token", "header": "X-Proof", "prefix": "", "secrets": ["env:PROOF_OF_TESTS"]},
    "vendor_job": "body.id",
}
DOORS = ("/callbacks/{vendor}/{token}", "/callbacks/{vendor}", "/in/{hook}")
"""Where vendors send any body to, while they are configured."""
BODIES = (b"", b'{"id": "r1"}', b'{"id": 7, "ok": true}', b'{"id": "r2",', b'{"id": "\\u0000"}', b"[" * 999, b"\xff")
MEDIA_TYPES = ("application/json", "text/plain", "x")
EXAMPLES = 100


class Fuzz:
    """Requests for the operations of one description, and what is wrong with their answers."""

    def __init__(self, description: dict[str, Any], ids: list[str], names: dict[str, str]) -> None:
        self._chance = random.Random(20261121)
        self._components = description["components"]
        self._maker = Maker(self._chance, self._components["schemas"])
        self._values = (*ids, *ids, "no-id", *NAMES, *TEXTS, 0, 5)
        self._names = names

    def request(self, method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
        """A request with values in its path, its query and its headers, and a body."""
        query, headers, body = [], {}, self._body(operation)
        is_door = path in DOORS
        for parameter in operation.get("parameters", ()):
            value = str(self._chance.choice(self._values))
            if parameter["in"] == "path":
                value = self._names[parameter["name"]] if is_door and self._chance.random() < 0.8 else value
                path = path.replace(f"{{{parameter['name']}}}", quote(value or "-", safe=""))
            elif self._chance.random() < 0.4 and parameter["in"] == "query":
                query.append(f"{parameter['name']}={quote(value, safe='')}")
            elif self._chance.random() < 0.4:
                headers[parameter["name"]] = self._chance.choice(HEADERS)
        if body is not None:
            headers["content-type"] = self._chance.choice(MEDIA_TYPES) if is_door else "application/json"
        if is_door and self._chance.random() < 0.8:
            headers["X-Proof"] = PROOF
        url = path + (f"?{'&'.join(query)}" if query else "")
        return {"method": method.upper(), "url": url, "content": body, "headers": headers}

    def _body(self, operation: dict[str, Any]) -> bytes | None:
        content = operation.get("requestBody", {}).get("content", {})
        if not content:
            return None
        if "*/*" in content and self._chance.random() < 0.5:
            return self._chance.choice(BODIES)
        described = content.get("application/json", {"schema": {}})
        examples = [example["value"] for example in described.get("examples", {}).values()]
        made = self._maker.make(described["schema"])
        found = self._chance.choice(examples) if examples and self._chance.random() < 0.4 else made
        return json.dumps(found if self._chance.random() < 0.4 else self._maker.spoil(found)).encode()

    def mistake(self, answer: httpx.Response, path: str, operation: dict[str, Any]) -> str:
        """What the description does not have. A value with a slash may lead to a path at which there is nothing."""
        status = answer.status_code
        is_elsewhere = answer.request.url.path.count("/") != path.count("/")
        if "sluice-job" in answer.headers:
            return "" if "*/*" in operation["responses"]["default"]["content"] else "the vendor's own answer"
        nothing = {"content": PROBLEM} if is_elsewhere and status in (404, 405) else None
        described = operation["responses"].get(str(status), nothing)
        if status >= 500 or described is None:
            return "status"
        content, media_type = described.get("content", {}), answer.headers.get("content-type", "").partition(";")[0]
        if not answer.content:
            return "" if not content or "*/*" in content else "empty"
        if media_type not in content and "*/*" not in content:
            return f"media type {media_type}"
        if not media_type.endswith("json"):
            return ""
        schema = content.get(media_type, content.get("*/*", {})).get("schema", {})
        error = next(self._validator(json.dumps(schema)).iter_errors(answer.json()), None)
        return "" if error is None else f"{error.json_path}: {error.message[:200]}"

    @lru_cache(maxsize=256)  # noqa: B019 - as many as the description has schemas, for one test
    def _validator(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**json.loads(schema), "components": self._components})


async def furnish(edge: Served) -> list[str]:
    """A job that is over, with a task and a dead letter; gives their ids."""
    task_id = new_id()
    attempt = Attempt(attempt=1, started_at=BEGAN, seconds=0.1, verdict="gave_up")
    dead = TaskChanged(
        task_id=task_id, job_id=JOB, number=0, state=TaskState.DEAD, service="fetcher", at=BEGAN, attempt=attempt
    )
    answer = VendorAnswer(status=404, reason="refused_404")
    counts = JobCounts(planned=1, failed=1)
    ended = JobEnded(job_id=JOB, state=JobState.FAILED, reason="r", counts=counts, answer=answer, at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_tasks(tx, [incoming(dead)])
        await view_jobs(tx, [incoming(ended)])
    return [str(JOB), *await keep(edge.database, letter_of_task(JOB, task_id))]


async def furnish_doors(edge: Served) -> dict[str, str]:
    """A vendor that calls back and a hook that is not signed; gives the parameters that lead to them."""
    answer = await edge.http.put("/vendors/caller", json={"base_url": "https://a.example", "callbacks": CALLBACKS})
    assert answer.status_code == 201, answer.text
    await hook(edge, "open", id="body.id")
    token = make_token(KEY.encode(), Claim(new_id(), 0, datetime.now(UTC) + timedelta(hours=1)))
    return {"vendor": "caller", "hook": "open", "token": token}


@pytest.fixture
async def edge(serve_edge: ServeEdge, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The HTTP edge, with the secrets that vendors prove themselves by."""
    monkeypatch.setenv("CALLBACK_KEY_OF_TESTS", KEY)
    monkeypatch.setenv("PROOF_OF_TESTS", PROOF)
    return await serve_edge(producer, callback_key="env:CALLBACK_KEY_OF_TESTS")


async def test_no_operation_answers_what_it_does_not_describe(edge: Served) -> None:
    description = (await edge.http.get("/openapi.json")).json()
    fuzz, wrong = Fuzz(description, await furnish(edge), await furnish_doors(edge)), []
    statuses: dict[str, set[int]] = {}
    # First where vendors send to: a later request may delete them.
    for path, operations in sorted(description["paths"].items(), key=lambda item: item[0] not in DOORS):
        for method, operation in operations.items():
            for _ in range(EXAMPLES):
                request = fuzz.request(method, path, operation)
                answer = await edge.http.request(**request)
                statuses.setdefault(path, set()).add(answer.status_code)
                mistake = fuzz.mistake(answer, path, operation)
                if mistake:
                    wrong.append((mistake, request, answer.status_code, answer.text[:200]))
    assert wrong == []
    assert {path for path in DOORS if statuses[path] >= {202, 404}} == {*DOORS}
