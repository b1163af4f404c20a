"""Lateness of timers while many are pending: two scheduler processes, a broker, a consumer that looks at its watch."""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer

from benchmarks.bench import Bench, Rows
from benchmarks.percentile import percentile
from benchmarks.system import READY_SECONDS
from infra.local import services, stack
from infra.local.ports import free_ports
from infra.local.processes import Processes
from shared.events.catalogue import NOTIFICATIONS, TIMERS_REQUESTED
from shared.events.timers import TimerRequested
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer

PENDING = 1_000_000
DUE = 20_000
SPREAD_SECONDS = 60.0
REPLICAS = 2
_HEAD_START_SECONDS = 15.0
_GRACE_SECONDS = 20.0
_FILL = """
INSERT INTO scheduler.timers (id, due_at, topic, key, value, headers)
SELECT gen_random_uuid(), now() + interval '1 day' + random() * interval '30 days', 'notifications', '\\x6b', '{}', '[]'
FROM generate_series(1, $1)
"""


async def measure(bench: Bench) -> Rows:
    """A million pending, twenty thousand of them due within one minute, two replicas."""
    root = bench.root
    addresses = await asyncio.to_thread(stack.start, root)
    provision = services.step_environment(root, addresses)
    subprocess.run([sys.executable, "-m", "services.provision"], env=provision, check=True, stdout=subprocess.DEVNULL)
    await _fill(services.database_url(addresses))
    with Processes(root) as processes:
        ports = free_ports(REPLICAS)
        for number, port in enumerate(ports, 1):
            environment = services.environment(root, addresses, "scheduler")
            environment |= {"SLUICE_REPLICA": str(number), "SLUICE_HEALTH_PORT": str(port)}
            processes.start(f"scheduler-{number}", [sys.executable, "-m", "services.scheduler"], environment)
        await _wait_ready(ports)
        return [_row(await _measure(addresses.kafka))]


async def _fill(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("TRUNCATE scheduler.timers")
    await connection.execute(_FILL, PENDING - DUE, timeout=600)
    await connection.execute("VACUUM ANALYZE scheduler.timers", timeout=600)
    await connection.close()


async def _wait_ready(ports: Sequence[int]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(trust_env=False) as http:
        for port in ports:
            while True:
                try:
                    answer = await http.get(f"http://127.0.0.1:{port}/readyz")
                    if answer.status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                if time.monotonic() > deadline:
                    raise TimeoutError("the schedulers are not ready")
                await asyncio.sleep(0.2)


async def _measure(kafka: str) -> tuple[Counter[str], list[float]]:
    """How often each timer was seen, and how late it was each time, in milliseconds, on this consumer's clock."""
    consumer = AIOKafkaConsumer(f"sluice.{NOTIFICATIONS.name}", bootstrap_servers=kafka, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    begin = datetime.now(UTC) + timedelta(seconds=_HEAD_START_SECONDS)
    due = {str(new_id()): begin + timedelta(seconds=SPREAD_SECONDS * number / DUE) for number in range(DUE)}
    await _ask(kafka, due)
    seen: Counter[str] = Counter()
    late: list[float] = []
    end = begin + timedelta(seconds=SPREAD_SECONDS + _GRACE_SECONDS)
    while datetime.now(UTC) < end and (len(seen) < DUE or datetime.now(UTC) < end - timedelta(seconds=15)):
        found = await consumer.getmany(timeout_ms=200)
        now = datetime.now(UTC)
        for record in (record for records in found.values() for record in records):
            timer_id = dict(record.headers)["ce_id"].decode()
            seen[timer_id] += 1
            late.append((now - due[timer_id]).total_seconds() * 1000)
    await consumer.stop()
    return seen, late


async def _ask(kafka: str, due: dict[str, datetime]) -> None:
    """As any service asks for them: on `timers.requested`."""
    producer = Producer(kafka, prefix="sluice")
    await producer.open()
    events = [
        TimerRequested.model_validate(
            {"timer_id": timer_id, "due_at": due_at, "topic": NOTIFICATIONS.name, "key": timer_id, "value": "{}"}
        )
        for timer_id, due_at in due.items()
    ]
    for start in range(0, len(events), 1000):
        block = events[start : start + 1000]
        await producer.send([outgoing(TIMERS_REQUESTED, event.timer_id, event) for event in block])
    await producer.close()


def _row(measured: tuple[Counter[str], list[float]]) -> dict[str, Any]:
    seen, late = measured
    return {
        "system": "sluice",
        "pending": PENDING,
        "due": DUE,
        "replicas": REPLICAS,
        "lateness_p50_ms": round(percentile(late, 50), 1),
        "lateness_p99_ms": round(percentile(late, 99), 1),
        "lateness_max_ms": round(max(late), 1),
        "twice": sum(times > 1 for times in seen.values()),
        "lost": DUE - len(seen),
    }
