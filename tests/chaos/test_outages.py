"""What an operator sees while the broker, Postgres or the folder of payloads is away: processes say so, none floods its
log, and all are well again by themselves."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from infra.local import stack as embedded
from tests.support.cluster import SERVICES, Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import ROOT, Place

pytestmark = [pytest.mark.chaos]

POLL = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 50, "total": "body.meta.total"},
    "records": {"key": "id"},
}
LINES_A_SECOND = 5
LINES_AT_ONCE = 60


async def problems(running: Cluster, name: str) -> list[str]:
    answer = await running.http.get(f"http://127.0.0.1:{running.ports[name]}/readyz")
    found: list[str] = answer.json()["problems"]
    assert (answer.status_code == 200) == (found == [])
    return found


def all_tell(running: Cluster, of_what: str) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        for name in SERVICES:
            found = await problems(running, name)
            assert any(of_what in problem for problem in found), (name, found)
        return True

    return told


def log_of(root: Path, name: str) -> list[dict[str, Any]]:
    lines = (root / "logs" / f"{name}.log").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def sees_no_flood(root: Path, since: float) -> None:
    """Nothing that ends by itself is an error, and the log stays one that a person can read."""
    for name in SERVICES:
        entries = log_of(root, name)
        assert [entry for entry in entries if entry["level"] == "error"] == []
        assert len(entries) < LINES_AT_ONCE + LINES_A_SECOND * (time.monotonic() - since), name


async def test_every_service_reports_that_the_broker_is_away(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        began = time.monotonic()
        await asyncio.to_thread(embedded.kill_kafka, ROOT, signal.SIGKILL)
        try:
            await eventually(all_tell(running, "Kafka"), 30)
        finally:
            await asyncio.to_thread(embedded.start_kafka, ROOT)
        await running.wait_ready(*SERVICES)
        sees_no_flood(tmp_path, began)


async def test_every_service_reports_that_the_database_is_away(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        began = time.monotonic()
        await asyncio.to_thread(embedded.kill_postgres, ROOT, signal.SIGKILL)
        try:
            await eventually(all_tell(running, "Postgres"), 60)
        finally:
            await asyncio.to_thread(embedded.start_postgres, ROOT)
        await running.wait_ready(*SERVICES)
        sees_no_flood(tmp_path, began)


async def test_payloads_that_are_away_for_a_while_are_not_gone(topics: Place, tmp_path: Path) -> None:
    """As a volume that is unmounted is. Pages that are not processed yet wait, and none is requested again."""
    payloads, away = tmp_path / "payloads", tmp_path / "away"
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=6000)
        await running.apply_vendor("acme", budget={"windows": [{"requests": 40, "per": "1s"}], "in_flight": 10})
        processor = running.processes.pid("processor")
        os.kill(processor, signal.SIGSTOP)
        job_id = await running.submit({"vendor": "acme", "poll": POLL})

        async def asked() -> bool:
            return bool((await running.truth("acme"))["requests"] > 40)

        try:
            await eventually(asked)
            payloads.rename(away)
            payloads.mkdir()
        finally:
            os.kill(processor, signal.SIGCONT)
        await eventually(lambda: says_away(tmp_path, "processor", "consumer.waiting"))
        await eventually(lambda: says_away(tmp_path, "fetcher", "payload.waiting"))
        assert list(payloads.iterdir()) == []
        payloads.rmdir()
        away.rename(payloads)
        job = await running.ended(job_id)
        assert (job["status"], job["distinct"], await running.dead_letters()) == ("completed", 6000, [])
        assert (await running.truth("acme"))["requests"] == 120


def says_away(root: Path, name: str, event: str) -> bool:
    found = [entry for entry in log_of(root, name) if entry["event"] == event]
    return any("is away" in entry["error"] for entry in found)
