"""A strict contract with several fetchers at work, as the vendor counted it: kept, and used. Polls, vendor jobs and
single requests draw on it at once."""

import asyncio
import signal
import statistics
from typing import Any

from benchmarks.bench import Bench, Rows
from benchmarks.system import INVOKE, POLL, System, system

ALLOWED = 50
WINDOW_SECONDS = 1.0
PAGE = 20
SECONDS = 40
ROUNDS = 2
CASES = ((2, 0), (3, 1))
"""Fetchers at work, and how many of them are killed and started again."""
KILL_AFTER_SECONDS = 8.0
DEADLINE_SECONDS = 180.0


async def measure(bench: Bench) -> Rows:
    """50 requests a second, burst 1, for 40 s: with two fetchers, and with three of which one is killed."""
    seconds = 20 if bench.quick else SECONDS
    rows: Rows = []
    for fetchers, kills in CASES:
        async with system(bench, fetchers) as measured:
            truths = [await _round(measured, seconds, fetchers * kills) for _ in range(bench.times(ROUNDS))]
            rows.append(_row(truths, fetchers, kills))
    broken = [row for row in rows if row["highest_seen"] > ALLOWED]
    if broken:
        raise RuntimeError(f"the contract was broken, which is a defect and no result: {broken}")
    return rows


async def _round(measured: System, seconds: int, killed: int) -> dict[str, Any]:
    """One job of so many seconds; the fetcher of that number is killed in the middle."""
    records = ALLOWED * PAGE * seconds
    strict = {"requests": ALLOWED, "per_seconds": WINDOW_SECONDS, "burst": 1}
    window = {"requests": ALLOWED, "per": f"{WINDOW_SECONDS:.0f}s", "burst": 1}
    reports = {"work_seconds": [0.5, 2.0]}
    vendor = {"records": records, "page_size_max": PAGE, "contract": strict, "reports": reports}
    await measured.play("strict", vendor, budget={"windows": [window], "in_flight": 20})
    pages = {"style": "offset", "size": PAGE, "total": "body.meta.total"}
    job = asyncio.create_task(measured.run("strict", records, {**POLL, "pages": pages}))
    others = asyncio.create_task(_others(measured, seconds))
    if killed:
        await asyncio.sleep(min(KILL_AFTER_SECONDS, seconds / 3))
        measured.processes.kill(f"fetcher-{killed}", signal.SIGKILL)
    await job
    await others
    await measured.settle()
    return await measured.truth("strict")


async def _others(measured: System, seconds: int) -> None:
    """A call a second: vendor jobs that are submitted and called back, and requests whose answers are waited for."""
    document = {"vendor": "strict", "invoke": INVOKE, "input": [{"n": number} for number in range(seconds)]}
    reference = await measured.client.submit(document)
    request = {"vendor": "strict", "request": {"path": "/items", "query": {"limit": 1}}}
    for _ in range(seconds // 2):
        await measured.client.request(request, wait_seconds=60)
    job = await measured.client.wait(reference.id, deadline_seconds=DEADLINE_SECONDS)
    if job.status != "completed":
        raise RuntimeError(f"job {job.id}: {job.status}, {job.reason}")


def _row(truths: list[dict[str, Any]], fetchers: int, kills: int) -> dict[str, Any]:
    """The worst of all rounds for the promise, the median for the use. Refused calls count as seen, not as used."""
    used = statistics.median(_admitted_per_second(truth) / ALLOWED for truth in truths)
    return {
        "window_seconds": WINDOW_SECONDS,
        "allowed": ALLOWED,
        "highest_seen": max(truth["highest_in_any_second"]["all"] for truth in truths),
        "used_share": round(used, 4),
        "refused": sum(truth["by_status"].get("429", 0) for truth in truths),
        "requests": sum(truth["requests"] for truth in truths),
        "fetchers": fetchers,
        "killed": kills,
        "rounds": len(truths),
    }


def _admitted_per_second(truth: dict[str, Any]) -> float:
    admitted = truth["requests"] - truth["by_status"].get("429", 0)
    return float((admitted - 1) / truth["span_seconds"])
