"""A service that is told to stop ends soon, whatever hangs."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from infra.local.ports import free_port
from infra.local.processes import Processes
from shared.database.pool import Transaction
from shared.events.catalogue import JOBS_CONTROL
from shared.events.envelope import Incoming
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging.handler import Consumer, Outgoing
from shared.messaging.producer import Producer
from shared.messaging.shell import Shell
from shared.messaging.subscriptions import Subscriptions
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import Seen, committed, order
from tests.support.cluster import PROJECT, SERVICES
from tests.support.eventually import eventually
from tests.support.forks import spawn
from tests.support.stack import Place

ENDED_SECONDS = 12
"""What a stop in a second may take on a machine that has much else to do."""


async def test_a_connection_that_says_nothing_at_the_port_of_health_hinders_neither_health_nor_the_end(
    topics: Place, payloads: Path
) -> None:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **topics.environment(payloads)}
    environment |= {"SLUICE_HEALTH_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", SERVICES["scheduler"]], env=environment, cwd=PROJECT)
    try:
        connection = await eventually(lambda: socket.create_connection(("127.0.0.1", port)))
        with connection:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:

                async def ready() -> bool:
                    return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200

                await eventually(ready, 60)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.wait()


async def test_a_service_that_does_not_stop_ends_after_its_stop_time(topics: Place, tmp_path: Path) -> None:
    with Processes(tmp_path, spawn=spawn) as processes:
        environment = {**os.environ, **topics.environment(tmp_path), "SLUICE_STOP_SECONDS": "1"}
        processes.start("endless", [sys.executable, "-m", "tests.integration.shared.endless"], environment)
        await eventually(lambda: "service.started" in processes.tail("endless"))
        assert await asyncio.to_thread(processes.stop, "endless", ENDED_SECONDS) == 0


async def test_who_is_told_to_stop_waits_no_longer_for_a_broker_that_says_nothing(place: Place, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Processes(tmp_path, spawn=spawn) as processes:
        environment = {**os.environ, **place.environment(tmp_path), "SLUICE_STOP_SECONDS": "1"}
        environment["SLUICE_KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{silent.getsockname()[1]}"
        processes.start("scheduler", [sys.executable, "-m", SERVICES["scheduler"]], environment)
        with (await asyncio.to_thread(silent.accept))[0]:
            assert await asyncio.to_thread(processes.stop, "scheduler", ENDED_SECONDS) == 0


async def test_a_batch_that_lasts_keeps_no_other_consumer_from_ending(
    topics: Place, database_for: DatabaseFor, producer: Producer
) -> None:
    database, quick = await database_for("planner"), Seen()
    began, may_end = asyncio.Event(), asyncio.Event()

    async def lasts(tx: Transaction, batch: Sequence[Incoming[JobControl]]) -> list[Outgoing]:
        began.set()
        await may_end.wait()
        return []

    consumers = [Consumer("slow", JOBS_CONTROL, lasts), Consumer("control", JOBS_CONTROL, quick.handle)]
    shells = [Shell("planner", topics.prefix, consumer, database, producer) for consumer in consumers]
    subscriptions = Subscriptions(topics.kafka, shells)
    await subscriptions.open()
    await producer.send([order(new_id())])
    await eventually(lambda: began.is_set() and shells[1].batches, 30)

    async def is_committed() -> bool:
        return await committed(topics) == 1

    closing = asyncio.create_task(subscriptions.close())
    try:
        await eventually(is_committed, 30)
        assert shells[1].closing
        assert not closing.done()
    finally:
        may_end.set()
        await closing
    assert await committed(topics, behaviour="slow") == 1
