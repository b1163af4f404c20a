"""The README's commands and recipes: what they apply, ask for and run, at the simulator's addresses, on a cluster that
has what the demo leaves behind."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiokafka import AIOKafkaProducer

from infra import demo
from infra.local.beginning import PROJECT
from shared.client.documents import load
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.signing import signed

README = (PROJECT / "README.md").read_text("utf-8")
FIRST = README[README.index("## Your first own job") : README.index("## Recipes")]
RECIPES = README[README.index("## Recipes") : README.index("## What is guaranteed")]
EXPORTS = dict(re.findall(r"^export (\w+)=(\S+)", README, re.MULTILINE))
SECRET = EXPORTS["ACME_HOOK"]
SHARED = pytest.mark.asyncio(loop_scope="module")
"""Of each test that uses the module's cluster."""
[OWN] = re.findall(r"<<'YAML'\n(.*?\n)YAML", FIRST, re.DOTALL)
"""The documents of the first own job."""
APPLIED = "\n---\n".join(re.findall(r"```yaml\n(.*?)\n```", README, re.DOTALL))
"""The documents of the recipes, in their order: one after the other they come to one installation."""
OF_THE_DEMO = "\n---\n".join(
    path.read_text("utf-8") for path in sorted(Path(demo.__file__).parent.glob("*.yaml"))
).replace("{secret}", "/secret")


def local(text: str, running: Cluster) -> list[dict[str, Any]]:
    """Documents of the README or the demo at the simulator's addresses; what they call there is a list of items."""
    found = [document.content for document in load([("a page", text.replace("{simulator}", running.simulator))])]
    return [_moved(document, running.simulator) for document in found]


def _moved(document: dict[str, Any], simulator: str) -> dict[str, Any]:
    text = re.sub(r"https://(\w+)\.acme\.example/v\d", rf"{simulator}/\1", json.dumps(document))
    moved: dict[str, Any] = json.loads(
        text.replace("https://me.example/done", f"{simulator}/receive/done").replace("/orders", "/items")
    )
    if "base_url" in moved:
        moved["network"] = {"private_addresses": "allow"}
    for webhook in moved.get("notify", ()):
        webhook.setdefault("vendor", "receive")
    return moved


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return EXPORTS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(running: Cluster, root: Path) -> Cluster:
    """The module's cluster, with everything applied that the demo and the README's recipes apply."""
    reports = {"rows": 4, "work_seconds": [0.1, 0.5], "sign": {"scheme": "standard-webhooks", "secret": SECRET}}
    for vendor in ("acme", "reporting", "api"):
        await running.configure_simulator(vendor, records=50, reports=reports)
    await running.apply_vendor("receive")
    await running.http.put(f"{running.simulator}/_control/receivers/done", json={"secret": SECRET})
    (root / "secret").write_text(SECRET)
    for text in (OF_THE_DEMO.replace("/secret", str(root / "secret")), APPLIED):
        for document in local(text, running):
            await _apply(running, document)
    return running


async def _apply(running: Cluster, document: dict[str, Any]) -> None:
    async def apply() -> bool:
        if "schedule" in document:
            answer = await running.http.post(f"{running.gateway}/schedules", json=document)
        else:
            kind = next(name for name in ("source", "hook", "vendor") if name in document)
            answer = await running.http.put(f"{running.gateway}/{kind}s/{document[kind]}", json=document)
        assert answer.is_success, answer.text
        return True

    await eventually(apply, 20)


async def sluice(running: Cluster, command: str, **variables: str) -> str:
    """What a command of the README prints; it succeeds, and complains of nothing."""
    _, *arguments = shlex.split(command)
    where = {"SLUICE_URL": running.gateway, "SLUICE_KAFKA": running.place.kafka}
    where |= {"SLUICE_TOPIC_PREFIX": running.place.prefix, "PYTHONPATH": str(PROJECT)}
    program = [sys.executable, "-m", "shared.client.cli", *arguments]
    environment = {**os.environ, **where, **variables}
    done = await asyncio.to_thread(
        subprocess.run, program, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), (command, done)
    return done.stdout


async def jobs_of(running: Cluster, source: str) -> list[dict[str, Any]]:
    answer = await running.http.get(f"{running.gateway}/jobs")
    return [job for job in answer.json()["jobs"] if job["source"] == source]


def test_each_secret_that_is_named_is_set_before() -> None:
    assert set(re.findall(r"env:(\w+)", README)) == set(EXPORTS)


def test_no_document_takes_the_place_of_another_or_of_the_demos() -> None:
    """Applying one replaces the whole of what was there by that name."""
    of_the_demo = {
        (document.kind, document.name)
        for document in load([("the demo", OF_THE_DEMO.replace("{simulator}", "https://simulator.example"))])
    }
    shown = [(document.kind, document.name) for document in load([("README.md", f"{OWN}---\n{APPLIED}")])]
    assert len(of_the_demo | set(shown)) == len(of_the_demo) + len(shown)
    assert len(shown) > 6


def test_the_first_own_job_is_ten_lines_at_most() -> None:
    assert len(OWN.splitlines()) <= 10


@SHARED
async def test_the_first_job_runs_on_what_the_demo_leaves_behind(running: Cluster) -> None:
    [command] = re.findall(r"^\.venv/bin/(sluice submit .*)$", FIRST.partition(OWN)[0], re.MULTILINE)
    told = await sluice(running, command)
    assert "completed" in told
    [job] = [job for job in (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"] if job["kind"] == "poll"]
    assert (job["vendor"], job["status"], job["distinct"]) == ("acme", "completed", 50)


@SHARED
async def test_the_first_own_job_runs_by_command_over_http_and_as_an_event(running: Cluster, tmp_path: Path) -> None:
    [file] = re.findall(r"^cat > (\S+) <<'YAML'$", FIRST, re.MULTILINE)
    (tmp_path / file).write_text(yaml.safe_dump_all(local(OWN, running)))
    commands = re.search(r"^\.venv/bin/(.*) && \.venv/bin/(.*)$", FIRST.partition(OWN)[2], re.MULTILINE)
    assert commands
    apply, submit = commands.groups()
    await sluice(running, apply.replace(file, str(tmp_path / file)))
    await sluice(running, submit)
    assert len(await running.records("orders")) == 50
    [body] = re.findall(r"`curl localhost:8080/jobs .* -d '(.*?)'`", FIRST)
    answer = await running.http.post(f"{running.gateway}/jobs", json=json.loads(body))
    assert answer.status_code == 202
    [value, topic] = re.findall(r"`echo '(.*)' \| kcat -P -b \$SLUICE_KAFKA -t sluice\.(.*)`", FIRST)[0]
    async with AIOKafkaProducer(bootstrap_servers=running.place.kafka) as bare:
        await bare.send_and_wait(f"{running.place.prefix}.{topic}", value.encode())

    async def all_completed() -> bool:
        return [job["status"] for job in await jobs_of(running, "orders")] == ["completed"] * 3

    await eventually(all_completed, 30)


@SHARED
async def test_the_recipe_of_a_vendor_job_gets_its_records_after_the_callback(running: Cluster) -> None:
    job = await running.ended(await running.submit({"source": "monthly-reports"}))
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
    place = f"{running.gateway}/in/order-changed"
    first, again = [await running.http.post(place, **signed({"offset": 7}, "msg_1", secret=SECRET)) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    job = await _job_of(running, first.json()["links"]["job"])
    assert (job["status"], job["records"]) == ("completed", 1)

    async def is_reported() -> bool:
        truth = (await running.http.get(f"{running.simulator}/_truth/receive/done")).json()
        return bool(truth["accepted"]["distinct"] == 1 and set(truth["by_signature"]) == {"valid"})

    await eventually(is_reported, 30)


async def _job_of(running: Cluster, place: str) -> dict[str, Any]:
    async def there() -> bool:
        return (await running.http.get(f"{running.gateway}{place}")).status_code == 200

    await eventually(there, 20)
    return await running.ended(place.rsplit("/", 1)[1])


@SHARED
async def test_the_recipe_of_a_schedule_runs_when_it_is_triggered(running: Cluster) -> None:
    place = f"{running.gateway}/schedules/nightly-order"
    assert (await running.http.post(f"{place}/trigger")).status_code == 202

    async def succeeded() -> bool:
        firings = (await running.http.get(place)).json()["firings"]
        return bool(firings) and firings[0]["verdict"] == "succeeded"

    await eventually(succeeded, 30)


@SHARED
async def test_the_commands_of_the_recipes_succeed(running: Cluster) -> None:
    job_id = await running.submit({"source": "monthly-reports"})
    found = re.findall(r"^\.venv/bin/(sluice .*?)(?:  #.*)?$", RECIPES, re.MULTILINE)
    assert len(found) == 3
    for command in found:
        await sluice(running, command.replace("JOB", job_id))
