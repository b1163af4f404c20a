"""The broker down for a minute in the middle of polls, vendor jobs, requests and webhooks: whether all that was
acknowledged is found again, and how soon after its return the vendor is called as often as before."""

import asyncio
import itertools
import os
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.bench import Bench, Rows
from benchmarks.system import INVOKE, POLL, System, system
from infra.local import services, stack
from shared.events.catalogue import WEBHOOKS_RECEIVED

RATE = 50
PAGE = 20
BEFORE_SECONDS, DOWN_SECONDS, AFTER_SECONDS = 20.0, 60.0, 75.0
SPAN_SECONDS = 5
"""The rate is looked at over so long."""
ENOUGH = 0.9
EVERY_SECONDS = 0.25
PATIENCE_SECONDS = 300.0
REQUEST = {"vendor": "steady", "request": {"path": "/items", "query": {"limit": 1}}}


@dataclass
class Acknowledged:
    """What was answered with 202, and how often it was not."""

    jobs: set[str] = field(default_factory=set)
    webhooks: set[str] = field(default_factory=set)
    refused: int = 0


async def measure(bench: Bench) -> Rows:
    """50 calls a second of one vendor from all sides; the broker is killed and starts again a minute later."""
    down = 10.0 if bench.quick else DOWN_SECONDS
    async with system(bench) as measured:
        await _configure(measured)
        taken, counts = Acknowledged(), list[tuple[float, int]]()
        for document in (_poll(measured), _vendor_jobs(down)):
            taken.jobs.add(str((await measured.client.submit(document)).id))
        counting = asyncio.create_task(_count(measured, counts))
        asking = asyncio.create_task(_ask(services.gateway_url(bench.root), taken))
        await asyncio.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        await asyncio.to_thread(stack.kill_kafka, bench.root)
        await asyncio.sleep(down)
        await asyncio.to_thread(stack.start_kafka, bench.root)
        back = time.monotonic()
        await asyncio.sleep(AFTER_SECONDS)
        asking.cancel()
        completed = await _completed(measured, taken.jobs)
        counting.cancel()
        published = taken.webhooks & await _published(bench)
    before = _rate(counts, began - BEFORE_SECONDS / 2, began)
    return [
        {
            "down_seconds": round(back - began, 1),
            "calls_per_second_before": round(before, 1),
            "seconds_until_90_percent": _recovery(counts, back, ENOUGH * before),
            "jobs_acknowledged": len(taken.jobs),
            "jobs_completed": completed,
            "webhooks_acknowledged": len(taken.webhooks),
            "webhooks_found": len(published),
            "not_acknowledged": taken.refused,
        }
    ]


async def _configure(measured: System) -> None:
    window = {"requests": RATE, "per": "1s", "burst": 1}
    reports = {"work_seconds": [5, 90], "attempts": 20}
    vendor = {"records": _pages() * PAGE, "page_size_max": PAGE, "reports": reports}
    await measured.play("steady", vendor, budget={"windows": [window], "in_flight": 20})
    await measured.client.put("hooks", "steady", {"hook": "steady", "id": 'headers."webhook-id"'})


def _pages() -> int:
    return int(RATE * (BEFORE_SECONDS + AFTER_SECONDS))


def _poll(measured: System) -> dict[str, Any]:
    """Work for as long as the broker is there."""
    pages = {"style": "offset", "size": PAGE, "total": "body.meta.total"}
    table = {"type": "postgres", "table": measured.new_table()}
    return {"vendor": "steady", "poll": {**POLL, "pages": pages}, "sinks": [table]}


def _vendor_jobs(down: float) -> dict[str, Any]:
    """Jobs whose callbacks come before, while and after the broker is away."""
    return {"vendor": "steady", "invoke": INVOKE, "input": [{"n": number} for number in range(int(down * 4))]}


async def _ask(gateway: str, taken: Acknowledged) -> None:
    """A webhook and a request, four times a second, during the outage too; a refused one is not sent again."""
    async with httpx.AsyncClient(base_url=gateway, trust_env=False, timeout=30) as http:
        for number in itertools.count():
            sender_id = f"outage-{os.getpid()}-{number}"
            headers = {"webhook-id": sender_id}
            answers = await asyncio.gather(
                http.post("/in/steady", json={"n": number}, headers=headers), http.post("/jobs", json=REQUEST)
            )
            for answer, found in zip(answers, (taken.webhooks, taken.jobs), strict=True):
                if answer.status_code == httpx.codes.ACCEPTED:
                    found.add(answer.json()["id"])
                else:
                    taken.refused += 1
            await asyncio.sleep(EVERY_SECONDS)


async def _count(measured: System, counts: list[tuple[float, int]]) -> None:
    """How many calls the vendor has seen, ten times a second."""
    while True:
        counts.append((time.monotonic(), (await measured.truth("steady"))["requests"]))
        await asyncio.sleep(0.1)


def _rate(counts: list[tuple[float, int]], begin: float, end: float) -> float:
    """Calls a second between two times."""
    within = [(at, count) for at, count in counts if begin <= at <= end]
    (first, least), (last, most) = within[0], within[-1]
    return (most - least) / (last - first)


def _recovery(counts: list[tuple[float, int]], back: float, enough: float) -> float | None:
    """Seconds from the broker's return to the first span with enough calls a second."""
    last = counts[-1][0] - SPAN_SECONDS
    for at, _ in counts:
        if back <= at <= last and _rate(counts, at, at + SPAN_SECONDS) >= enough:
            return round(at - back, 1)
    return None


async def _completed(measured: System, jobs: set[str]) -> int:
    """How many of the jobs came to their end, and a good one."""
    ended = [await measured.client.wait(job, deadline_seconds=PATIENCE_SECONDS) for job in sorted(jobs)]
    return sum(job.status == "completed" for job in ended)


async def _published(bench: Bench) -> set[str]:
    """All webhooks on their topic."""
    topic = f"sluice.{WEBHOOKS_RECEIVED.name}"
    servers = stack.addresses(bench.root).kafka
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        found = set[str]()
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found |= {orjson.loads(record.value)["webhook_id"] for record in records if record.value}
    return found
