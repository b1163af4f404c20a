"""The README's recipes: what they apply, ask for and run, at the simulator's addresses."""

import asyncio
import base64
import hmac
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest
import pytest_asyncio

from infra.local.beginning import PROJECT
from shared.client.documents import load
from tests.support.cluster import Cluster
from tests.support.eventually import eventually

README = (PROJECT / "README.md").read_text("utf-8")
RECIPES = README[README.index("## Recipes") : README.index("## What is guaranteed")]
EXPORTS = dict(re.findall(r"^export (\w+)=(\S+)", README, re.MULTILINE))
SECRET = EXPORTS["ACME_HOOK"]
SHARED = pytest.mark.asyncio(loop_scope="module")
"""Of each test that uses the module's cluster."""


APPLIED = "\n---\n".join(re.findall(r"(?:```yaml|<<'YAML')\n(.*?)\n(?:```|YAML)", README, re.DOTALL))
"""All documents, in their order: one after the other they come to one installation."""


def documents(running: Cluster) -> list[dict[str, Any]]:
    """What the README says to apply, at the simulator's addresses."""
    text = re.sub(r"https://\w+\.acme\.example/v\d", f"{running.simulator}/acme", APPLIED)
    text = text.replace("https://me.example/done", f"{running.simulator}/receive/done")
    found = [document.content for document in load([("README.md", text)])]
    for document in found:
        if "base_url" in document:
            document["network"] = {"private_addresses": "allow"}
        for webhook in document.get("notify", ()):
            webhook["vendor"] = "receive"
    return found


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return EXPORTS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(running: Cluster) -> Cluster:
    """The module's cluster, with everything applied that the README says to apply."""
    signed = {"scheme": "standard-webhooks", "secret": SECRET}
    reports = {"rows": 4, "work_seconds": [0.1, 0.5], "sign": signed}
    await running.configure_simulator("acme", records=50, reports=reports)
    await running.apply_vendor("receive")
    await running.http.put(f"{running.simulator}/_control/receivers/done", json={"secret": SECRET})
    for document in documents(running):
        if "schedule" in document:
            answer = await running.http.post(f"{running.gateway}/schedules", json=document)
        else:
            kind = next(name for name in ("source", "hook", "vendor") if name in document)
            place = f"{running.gateway}/{kind}s/{document[kind]}"
            answer = await _put(running, place, document)
        assert answer.is_success, answer.text
    return running


async def _put(running: Cluster, place: str, document: dict[str, Any]) -> httpx.Response:
    async def put() -> httpx.Response:
        answer = await running.http.put(place, json=document)
        assert answer.is_success, answer.text
        return answer

    return await eventually(put, 20)


async def send(running: Cluster, sender_id: str, content: dict[str, Any]) -> httpx.Response:
    body, stamp = json.dumps(content).encode(), str(int(time.time()))  # noqa: TID251 - a sender's clock
    signed = f"{sender_id}.{stamp}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    headers = {
        "content-type": "application/json",
        "webhook-id": sender_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode(),
    }
    return await running.http.post(f"{running.gateway}/in/acme-changed", content=body, headers=headers)


def test_each_secret_that_is_named_is_set_before() -> None:
    assert set(re.findall(r"env:(\w+)", README)) == set(EXPORTS)


def test_no_document_takes_the_place_of_another() -> None:
    """Applying one replaces the whole of what was there by that name."""
    names = [(document.kind, document.name) for document in load([("README.md", APPLIED)])]
    assert len(names) == len(set(names)) > 5, names


@SHARED
async def test_the_recipe_of_a_vendor_job_gets_its_records_after_the_callback(running: Cluster) -> None:
    job = await running.ended(await running.submit({"source": "acme-reports"}))
    assert (job["status"], job["distinct"]) == ("completed", 8), job


@SHARED
async def test_the_recipe_of_a_request_gets_the_answer_of_the_vendor(running: Cluster) -> None:
    [document] = re.findall(r"-d '(.*?)'", RECIPES)
    answer = await running.http.post(
        f"{running.gateway}/jobs", json=json.loads(document), headers={"Prefer": "wait=20"}
    )
    assert (answer.status_code, len(answer.json()["items"])) == (200, 1)


@SHARED
async def test_the_recipe_of_a_webhook_starts_one_job_and_reports_its_end(running: Cluster) -> None:
    first, again = [await send(running, "msg_1", {"offset": 7}) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    job = await _job_of(running, first.json()["links"]["job"])
    assert (job["status"], job["records"]) == ("completed", 1)

    async def told() -> bool:
        truth = (await running.http.get(f"{running.simulator}/_truth/receive/done")).json()
        return bool(truth["accepted"]["distinct"] == 1 and set(truth["by_signature"]) == {"valid"})

    await eventually(told, 30)


async def _job_of(running: Cluster, place: str) -> dict[str, Any]:
    async def there() -> bool:
        return (await running.http.get(f"{running.gateway}{place}")).status_code == 200

    await eventually(there, 20)
    return await running.ended(place.rsplit("/", 1)[1])


@SHARED
async def test_the_recipe_of_a_schedule_runs_when_it_is_triggered(running: Cluster) -> None:
    place = f"{running.gateway}/schedules/nightly-item"
    assert (await running.http.post(f"{place}/trigger")).status_code == 202

    async def succeeded() -> bool:
        firings = (await running.http.get(place)).json()["firings"]
        return bool(firings) and firings[0]["verdict"] == "succeeded"

    await eventually(succeeded, 30)


@SHARED
async def test_the_commands_of_the_recipes_succeed(running: Cluster) -> None:
    place = running.place
    job_id = await running.submit({"source": "acme-reports"})
    found = re.findall(r"^\.venv/bin/(sluice .*?)(?:  #.*)?$", RECIPES, re.MULTILINE)
    assert len(found) == 3
    where = {"SLUICE_URL": running.gateway, "SLUICE_KAFKA": place.kafka, "SLUICE_TOPIC_PREFIX": place.prefix}
    for command in found:
        _, *arguments = command.replace("JOB", job_id).split()
        program = [sys.executable, "-m", "shared.client.cli", *arguments]
        environment = {**os.environ, **where, "PYTHONPATH": str(PROJECT)}
        done = await asyncio.to_thread(subprocess.run, program, env=environment, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b""), (command, done)
