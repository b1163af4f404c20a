"""A real Prometheus looks at a real run: every panel of every dashboard finds data, and every alert can be judged."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra.local.beginning import PROJECT
from infra.local.ports import free_port
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.prometheus import ALERTS, program
from tests.support.stack import Place

DASHBOARDS = sorted((PROJECT / "infra" / "grafana" / "dashboards").glob("*.json"))
POLL = {"request": {"path": "/items"}, "records": {"key": "id"}}


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in DASHBOARDS]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    assert board["uid"].startswith("sluice-")
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${source}", panel["title"]


def test_boards_and_panels_have_different_ids() -> None:
    assert len({board["uid"] for board in boards()}) == len(DASHBOARDS) == 3
    for board in boards():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@asynccontextmanager
async def scraping(targets: dict[str, int], root: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Prometheus with the shipped configuration, its names replaced by the places of this run."""
    shipped = yaml.safe_load((PROJECT / "infra" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    jobs = shipped["scrape_configs"]
    assert {job["job_name"] for job in jobs} == set(targets)
    for job in jobs:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}]
    shipped["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    shutil.copy(ALERTS, root)
    config, port = root / "prometheus.yml", free_port()
    config.write_text(yaml.safe_dump(shipped), "utf-8")
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={root / 'tsdb'}"]
    process = subprocess.Popen(
        [program("prometheus"), *arguments, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "GOMAXPROCS": "1"},
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield http
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


async def ready(http: httpx.AsyncClient, count: int) -> bool:
    found = (await http.get("/api/v1/query", params={"query": "sum(up)"})).json()["data"]["result"]
    return bool(found) and found[0]["value"][1] == str(count)


async def work(running: Cluster) -> None:
    """Something of everything that the panels show."""
    contract = {"requests": 40, "per_seconds": 1.0, "burst": 5}
    await running.configure_simulator("shown", records=3000, error_share=0.1, contract=contract)
    budget = {"windows": [{"requests": 40, "per": "1s", "burst": 5}]}
    await running.apply_vendor("shown", budget=budget, retry={"attempts": 6, "backoff": {"base": "50ms"}})
    pages = {"style": "offset", "size": 20, "total": "body.meta.total"}
    job_id = await running.submit({"vendor": "shown", "poll": {**POLL, "pages": pages}})
    at = {"every": "1s", "start": {"vendor": "shown", "poll": {**POLL, "pages": {"style": "none"}}}}
    answer = await running.http.post(f"{running.gateway}/schedules", json={"schedule": "shown", **at})
    assert answer.status_code == 202, answer.text
    await running.ended(job_id)


async def test_every_panel_finds_data(topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster(topics, tmp_path) as running, scraping(running.ports, tmp_path) as http:
        await eventually(lambda: ready(http, len(running.ports)), 60)
        await work(running)
        await eventually(lambda: all_found(http), 60)
        await eventually(lambda: all_judged(http), 60)
        await asyncio.to_thread(running.processes.stop, "scheduler")
        await eventually(lambda: is_pending(http, "ServiceDown"), 60)


async def alerts(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    groups = (await http.get("/api/v1/rules")).json()["data"]["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


async def all_judged(http: httpx.AsyncClient) -> bool:
    """Of metrics that there are, and none of a run in which all is well."""
    shipped = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]
    found, families = await alerts(http), (await http.get("/api/v1/metadata")).json()["data"]
    known = {name.removesuffix("_total") for name in families}
    assert set(found) == {rule["alert"] for rule in shipped}
    for rule in shipped:
        named = set(re.findall(r"sluice_\w+", rule["expr"]))
        assert {name.removesuffix("_bucket").removesuffix("_total") for name in named} <= known, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert {(name, rule["health"], rule["state"]) for name, rule in found.items()} == {
        (name, "ok", "inactive") for name in found
    }
    return True


async def is_pending(http: httpx.AsyncClient, name: str) -> bool:
    return bool((await alerts(http))[name]["state"] in ("pending", "firing"))


async def all_found(http: httpx.AsyncClient) -> bool:
    empty = [panel for board in boards() for panel in await without_data(http, board)]
    assert empty == []
    return True


async def without_data(http: httpx.AsyncClient, board: dict[str, Any]) -> list[str]:
    found = []
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = re.sub(r"\$__rate_interval", "30s", target["expr"])
            query = re.sub(r"\$(vendor|group)", ".*", query)
            answer = (await http.get("/api/v1/query", params={"query": query})).json()
            assert answer["status"] == "success", (panel["title"], answer)
            if not answer["data"]["result"]:
                found.append(f"{board['uid']}: {panel['title']}: {target['expr']}")
    return found
