"""How much a vendor that hangs for a minute at each call delays another vendor's job."""

import asyncio
import statistics
import time
from collections.abc import Callable

from benchmarks.bench import Bench, Rows
from benchmarks.system import POLL, System, system

RECORDS = 100_000
CALLS = 200
IN_FLIGHT = 50
HANG_SECONDS = 60
ROUNDS = 3
JOBS_PER_ROUND = 3
DEADLINE_SECONDS = 90.0


async def measure(bench: Bench) -> Rows:
    """A working vendor's job alone and beside 200 queued calls that hang, in turns."""
    alone: list[float] = []
    beside: list[float] = []
    async with system(bench) as measured:
        await measured.play("works", {"records": RECORDS, "shape": "nested"}, budget={"in_flight": 20})
        for _ in range(bench.times(ROUNDS)):
            alone += await _jobs(measured, bench.times(JOBS_PER_ROUND))
            await _play_hanging(measured)
            stuck = await _queue(measured)
            beside += await _jobs(measured, bench.times(JOBS_PER_ROUND))
            await _check_hanging(measured)
            await _release(measured, stuck)
    before, after = statistics.median(alone), statistics.median(beside)
    return [
        {
            "alone_seconds": round(before, 3),
            "beside_hanging_seconds": round(after, 3),
            "delay_share": round(after / before - 1, 4),
            "calls_queued": CALLS,
            "calls_hanging": IN_FLIGHT,
            "jobs": len(alone),
        }
    ]


async def _play_hanging(measured: System) -> None:
    """To be applied anew ends a vendor's rest: after a round its circuit is open, and one call at a time would hang."""
    hangs = {"records": CALLS, "hang_share": 1.0, "hang_seconds": HANG_SECONDS}
    # Patient enough that each call really hangs for the minute.
    patience = {"first_byte": "90s", "total": "100s"}
    await measured.play("hangs", hangs, budget={"in_flight": IN_FLIGHT}, timeouts=patience)


async def _jobs(measured: System, times: int) -> list[float]:
    took = []
    for _ in range(times):
        await measured.settle()
        took.append(await measured.run("works", RECORDS))
    return took


async def _queue(measured: System) -> list[str]:
    """Ask for 200 jobs of one call, and wait until as many calls hang as may be open at once."""
    poll = {**POLL, "pages": {"style": "none"}}
    stuck = [str((await measured.client.submit({"vendor": "hangs", "poll": poll})).id) for _ in range(CALLS)]
    await _until(measured, lambda in_flight: in_flight >= IN_FLIGHT)
    return stuck


async def _release(measured: System, stuck: list[str]) -> None:
    for job in stuck:
        await measured.client.cancel(job)
    await _until(measured, lambda in_flight: in_flight == 0)


async def _check_hanging(measured: System) -> None:
    truth = await measured.truth("hangs")
    if truth["in_flight"] < IN_FLIGHT // 2:
        raise RuntimeError(f"only {truth['in_flight']} calls still hang: the jobs were not run beside them")


async def _until(measured: System, reached: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached((await measured.truth("hangs"))["in_flight"]):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the hanging vendor: {await measured.truth('hangs')}")
        await asyncio.sleep(0.1)
