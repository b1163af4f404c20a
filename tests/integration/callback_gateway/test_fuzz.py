"""Anything at every operation of the description: no 5xx, and no status, media type or body that it does not have."""

import json
import random
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
from jsonschema import Draft202012Validator

from services.callback_gateway.views.handler import view_jobs, view_tasks
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.tasks import Attempt, TaskChanged, TaskState, VendorAnswer
from shared.ids import new_id
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of_task
from tests.integration.callback_gateway.job_events import BEGAN, incoming
from tests.integration.callback_gateway.made_documents import TEXTS, Maker

JOB = UUID("01a1fc57-a9c1-72fd-8640-afd1711e030b")
NAMES = ("acme", "acme-orders", "acme-order-changed")
"""Those of the description's examples."""
HEADERS = ("wait=0", "wait=x", "k1", "5", "-1")
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
EXAMPLES = 100


class Fuzz:
    """Requests for the operations of one description, and what is wrong with their answers."""

    def __init__(self, description: dict[str, Any], ids: list[str]) -> None:
        self._chance = random.Random(20261121)
        self._components = description["components"]
        self._maker = Maker(self._chance, self._components["schemas"])
        self._values = (*ids, *ids, "no-id", *NAMES, *TEXTS, 0, 5)

    def request(self, method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
        """A request with values in its path, its query and its headers, and a body."""
        query, headers, body = [], {}, self._body(operation)
        for parameter in operation.get("parameters", ()):
            value = str(self._chance.choice(self._values))
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(value or "-", safe=""))
            elif self._chance.random() < 0.4 and parameter["in"] == "query":
                query.append(f"{parameter['name']}={quote(value, safe='')}")
            elif self._chance.random() < 0.4:
                headers[parameter["name"]] = self._chance.choice(HEADERS)
        if body is not None:
            headers["content-type"] = "application/json"
        url = path + (f"?{'&'.join(query)}" if query else "")
        return {"method": method.upper(), "url": url, "content": body, "headers": headers}

    def _body(self, operation: dict[str, Any]) -> bytes | None:
        content = operation.get("requestBody", {}).get("content", {})
        if not content:
            return None
        described = content.get("application/json", {"schema": {}})
        examples = [example["value"] for example in described.get("examples", {}).values()]
        made = self._maker.make(described["schema"])
        found = self._chance.choice(examples) if examples and self._chance.random() < 0.4 else made
        return json.dumps(found if self._chance.random() < 0.4 else self._maker.spoil(found)).encode()

    def mistake(self, answer: httpx.Response, operation: dict[str, Any]) -> str:
        """What the description does not have; of a path that a value led elsewhere, nothing may be there."""
        status = answer.status_code
        if "sluice-job" in answer.headers:
            return "" if "*/*" in operation["responses"]["default"]["content"] else "the vendor's own answer"
        described = operation["responses"].get(str(status), {"content": PROBLEM} if status in (404, 405) else None)
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


async def test_no_operation_answers_what_it_does_not_describe(edge: Served) -> None:
    description = (await edge.http.get("/openapi.json")).json()
    fuzz, wrong = Fuzz(description, await furnish(edge)), []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for _ in range(EXAMPLES):
                request = fuzz.request(method, path, operation)
                answer = await edge.http.request(**request)
                mistake = fuzz.mistake(answer, operation)
                if mistake:
                    wrong.append((mistake, request, answer.status_code, answer.text[:200]))
    assert wrong == []
