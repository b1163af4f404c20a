"""The measurements. Each gives rows for a file of `benchmarks/results/`."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.system import POLL, System, drop_tables, peer, system
from infra.local.services import PROJECT

Rows = list[dict[str, Any]]

PEERS = Path(__file__).parent / "peers"
OWN_PYTHON = PROJECT / ".venv" / "bin" / "python"
BENCH_PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
SIZES = {20_000: 5, 200_000: 3}
SMALL_JOBS = 200
CONTRACT = 50


async def end_to_end() -> tuple[Rows, Rows]:
    """Records per second of Sluice, the script and dlt, taking turns; and the services' memory after both sizes."""
    rows: Rows = []
    memory: Rows = []
    async with system() as measured:
        for records, times in SIZES.items():
            await measured.play("bench", budget={"in_flight": 64}, records=records)
            seconds: dict[str, list[float]] = {"sluice": [], "script": [], "dlt": []}
            for _ in range(times):
                await drop_tables(measured.database)
                took, job = await measured.run("bench")
                assert job.status == "completed" and job.distinct == records, job
                seconds["sluice"].append(took)
                for name, program, python in (
                    ("script", "aiohttp_script.py", OWN_PYTHON),
                    ("dlt", "dlt_poll.py", BENCH_PYTHON),
                ):
                    url = f"{measured.simulator}/bench"
                    done = await asyncio.to_thread(peer, PEERS / program, python, url, measured.database)
                    assert done["records"] == records, (name, done)
                    seconds[name].append(done["seconds"])
            for name, all_times in seconds.items():
                rate = round(records / statistics.median(all_times))
                rows.append({"system": name, "records": records, "records_per_second": rate, "runs": times})
            after = measured.resident_megabytes()
            memory += [{"service": name, "records": records, "megabytes": size} for name, size in after.items()]
    return rows, memory


async def small_job() -> Rows:
    """Milliseconds from `POST /jobs` to `job.completed` of a job of one page, on an idle system."""
    async with system() as measured:
        await measured.play("small", budget={"in_flight": 20}, records=100)
        poll = {**POLL, "pages": {"style": "none"}}
        took = sorted([(await measured.run("small", poll))[0] * 1000 for _ in range(SMALL_JOBS)])
    return [
        {
            "system": "sluice",
            "jobs": SMALL_JOBS,
            "p50_ms": round(statistics.median(took), 1),
            "p99_ms": round(took[int(len(took) * 0.99) - 1], 1),
        }
    ]


async def contract() -> Rows:
    """50 requests a second, burst 1, two fetchers: the highest count in any second, and how much of it was used."""
    async with system(fetchers=2) as measured:
        window = {"requests": CONTRACT, "per": "1s", "burst": 1}
        strict = {"requests": CONTRACT, "per_seconds": 1.0, "burst": 1}
        budget = {"windows": [window], "in_flight": 20}
        await measured.play("strict", budget=budget, records=40_000, contract=strict, page_size_max=20)
        pages = {"style": "offset", "size": 20, "total": "body.meta.total"}
        _, job = await measured.run("strict", {**POLL, "pages": pages})
        assert job.status == "completed", job
        truth = await measured.truth("strict")
    return [
        {
            "window_seconds": 1.0,
            "allowed": CONTRACT,
            "highest_seen": truth["highest_in_any_second"]["all"],
            "average_per_second": round(truth["average_per_second"], 2),
            "used_share": round(truth["average_per_second"] / CONTRACT, 4),
            "refused": truth["by_status"].get("429", 0),
            "fetchers": 2,
            "killed": 0,
        }
    ]


async def isolation() -> Rows:
    """How much a vendor that hangs for a minute delays another vendor's job."""
    async with system() as measured:
        await measured.play("works", budget={"in_flight": 20}, records=100_000)
        await measured.play("hangs", budget={"in_flight": 50}, records=100_000, hang_share=1.0, hang_seconds=60)
        alone = await _median(measured)
        pages = {"style": "page", "size": 100}
        for _ in range(100):
            await measured.client.submit({"vendor": "hangs", "poll": {**POLL, "pages": pages}})
        await _until_hanging(measured)
        beside = await _median(measured)
    share = round(beside / alone - 1, 4)
    return [{"alone_seconds": round(alone, 3), "beside_hanging_seconds": round(beside, 3), "delay_share": share}]


async def _median(measured: System) -> float:
    took = []
    for _ in range(5):
        await drop_tables(measured.database)
        took.append((await measured.run("works"))[0])
    return statistics.median(took)


async def _until_hanging(measured: System) -> None:
    deadline = time.monotonic() + 20
    while (await measured.truth("hangs"))["in_flight"] < 40 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
