"""How long one small job takes on an idle system, from `POST /jobs` to `job.completed`."""

import statistics

from benchmarks.bench import Bench, Rows
from benchmarks.percentile import percentile
from benchmarks.system import POLL, system

JOBS = 200
ROUNDS = 3


async def measure(bench: Bench) -> Rows:
    """One job of one page (100 records) after the other, into a table that exists; medians over the rounds."""
    jobs, rounds = (40 if bench.quick else JOBS), bench.times(ROUNDS)
    middle: list[float] = []
    high: list[float] = []
    async with system(bench) as measured:
        await measured.play("small", {"records": 100, "shape": "nested"}, budget={"in_flight": 20})
        poll, table = {**POLL, "pages": {"style": "none"}}, measured.new_table()
        await measured.run("small", 100, poll, table)
        for _ in range(rounds):
            took = [await measured.run("small", 100, poll, table) * 1000 for _ in range(jobs)]
            middle.append(percentile(took, 50))
            high.append(percentile(took, 99))
    p50, p99 = round(statistics.median(middle), 1), round(statistics.median(high), 1)
    return [{"system": "sluice", "jobs": jobs, "rounds": rounds, "p50_ms": p50, "p99_ms": p99}]
