"""Records per second of Sluice, of the script and of dlt, on the same simulator and the same Postgres: nested records,
as partner APIs have them, and flat ones, the least that a record can be."""

import asyncio
import json
import statistics
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, Rows
from benchmarks.system import System, system
from infra.local.beginning import PROJECT
from infra.simulator.records import Shape

PEERS = Path(__file__).parent / "peers"
PROGRAMS = {
    "script": (PROJECT / ".venv" / "bin" / "python", PEERS / "aiohttp_script.py"),
    "dlt": (PROJECT / ".venv-bench" / "bin" / "python", PEERS / "dlt_poll.py"),
}
SIZES = {20_000: 5, 200_000: 3}
"""Records of a job, and how often it is run."""
PEER_SECONDS = 900

Runner = Callable[[int], Awaitable[float]]


async def measure(bench: Bench) -> Rows:
    """Nested records: orders with their customers and lines."""
    return await _measure(bench, "nested")


async def measure_flat(bench: Bench) -> Rows:
    """Records of six fields, 120 bytes."""
    return await _measure(bench, "flat")


async def _measure(bench: Bench, shape: Shape) -> Rows:
    """Each system in turn, each round beginning with another, each on a machine that has come to rest."""
    rows: Rows = []
    async with system(bench) as measured:
        runners: dict[str, Runner] = {"sluice": partial(_sluice, measured)}
        runners |= {name: partial(_peer, measured, name) for name in PROGRAMS}
        for records, times in SIZES.items():
            await measured.play("bench", {"records": records, "shape": shape}, budget={"in_flight": 64})
            seconds: dict[str, list[float]] = {name: [] for name in runners}
            for number in range(bench.times(times)):
                for name in _rotated(list(runners), number):
                    await measured.settle()
                    seconds[name].append(await runners[name](records))
            rows += [_row(name, records, shape, took) for name, took in seconds.items()]
    return rows


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def _row(name: str, records: int, shape: Shape, seconds: list[float]) -> dict[str, object]:
    return {
        "system": name,
        "records": records,
        "shape": shape,
        "records_per_second": round(records / statistics.median(seconds)),
        "slowest": round(records / max(seconds)),
        "fastest": round(records / min(seconds)),
        "runs": len(seconds),
    }


async def _sluice(measured: System, records: int) -> float:
    return await measured.run("bench", records)


async def _peer(measured: System, name: str, records: int) -> float:
    """Run a peer to its end; it times itself from being ready to the last commit, and counts its rows."""
    python, program = PROGRAMS[name]
    argv = [str(python), str(program), f"{measured.simulator}/bench", measured.database]
    done = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, check=False, timeout=PEER_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["records"] != records:
        raise RuntimeError(f"{name} wrote {found['records']} of {records} records")
    return found["seconds"]
