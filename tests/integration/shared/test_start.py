"""A service that cannot work does not start: it says why and ends, soon, so that a supervisor can try again."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.ports import free_port
from shared.runtime.clock import monotonic
from tests.support.cluster import PROJECT, SERVICES
from tests.support.stack import Place

WITHIN_SECONDS = 30.0


async def start(place: Place, payloads: Path, service: str = "planner", **more: str) -> tuple[int, str, float]:
    """The exit code, what was logged, and how long it took."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **place.environment(payloads), **more}
    argv, began = [sys.executable, "-m", SERVICES[service]], monotonic()
    done = await asyncio.to_thread(
        subprocess.run, argv, env=environment, cwd=PROJECT, capture_output=True, timeout=60, check=False
    )
    return done.returncode, done.stderr.decode(), monotonic() - began


@pytest.mark.parametrize("service", SERVICES)
async def test_without_a_broker_it_ends(place: Place, payloads: Path, service: str) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    code, log, seconds = await start(place, payloads, service, SLUICE_KAFKA_BOOTSTRAP_SERVERS=nobody)
    assert (code, "service.cannot_start" in log, "Kafka" in log) == (1, True, True), log
    assert seconds < WITHIN_SECONDS


async def test_without_a_database_it_ends(topics: Place, payloads: Path) -> None:
    url = f"postgresql://sluice_{{service}}:s3cret@127.0.0.1:{free_port()}/none"
    code, log, seconds = await start(topics, payloads, SLUICE_DATABASE_URL=url)
    assert (code, "service.cannot_start" in log, "Postgres" in log) == (1, True, True), log
    assert "s3cret" not in log
    assert seconds < WITHIN_SECONDS


async def test_without_its_topics_it_ends(place: Place, payloads: Path) -> None:
    code, log, _ = await start(place, payloads)
    assert (code, "service.cannot_start" in log) == (1, True), log
    assert f"{place.prefix}.jobs.requested" in log


async def test_with_topics_otherwise_than_declared_it_starts_and_reports_how_they_differ(
    topics: Place, payloads: Path
) -> None:
    more = {"SLUICE_TOPIC_PARTITIONS": "6", "SLUICE_TOPIC_REPLICATION": "3"}
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **topics.environment(payloads), **more}
    argv, log = (sys.executable, "-m", SERVICES["planner"]), list[str]()
    process = await asyncio.create_subprocess_exec(*argv, env=environment, cwd=PROJECT, stderr=subprocess.PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for line in process.stderr:
            log.append(line.decode())
            if "service.started" in log[-1]:
                process.terminate()
        assert await process.wait() == 0
    [reported] = [line for line in log if "topics.differ" in line]
    for difference in ("jobs.requested partitions=2, expected 6", "planner.dead replication=1, expected 3"):
        assert f"{topics.prefix}.{difference}" in reported


async def test_a_setting_that_is_none_is_told_without_its_value(place: Place, payloads: Path) -> None:
    code, log, _ = await start(place, payloads, SLUICE_DATABASE_CONNECTIONS="s3cret")
    assert code != 0
    assert "database_connections" in log.lower()
    assert "s3cret" not in log
