"""`make bench`: all measurements, or those named, written to `benchmarks/results/` and the documentation."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import (
    callbacks,
    contract,
    end_to_end,
    ingress,
    isolation,
    machine,
    memory,
    outage,
    simulator,
    small_job,
    timers,
)
from benchmarks.bench import Bench, Rows
from benchmarks.page import write_page
from infra.local import stack
from infra.local.beginning import PROJECT

RESULTS = Path(__file__).parent / "results"
MEASUREMENTS: dict[str, Callable[[Bench], Awaitable[Rows]]] = {
    "end_to_end": end_to_end.measure,
    "end_to_end_flat": end_to_end.measure_flat,
    "small_job": small_job.measure,
    "memory": memory.measure,
    "contract": contract.measure,
    "ingress": ingress.measure,
    "isolation": isolation.measure,
    "callbacks": callbacks.measure,
    "timers": timers.measure,
    "outage": outage.measure,
    "simulator": simulator.measure,
}


def main() -> None:
    """Measure, write the results and the page. Quick runs are printed only, unless a folder is named."""
    options = _options()
    bench = Bench(options.root.absolute(), options.quick)
    results = options.results or (None if bench.quick else RESULTS)
    wanted = list(MEASUREMENTS) if "all" in options.names else options.names
    try:
        for name in wanted:
            where = machine.describe()
            rows = asyncio.run(_measure(name, bench))
            print(f"{name}:", *(json.dumps(row) for row in rows), sep="\n  ", flush=True)
            if results:
                _write(results / f"{name}.json", [{**row, **where} for row in rows])
    finally:
        stack.stop(bench.root)
    if results == RESULTS:
        write_page(RESULTS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=["all"], choices=["all", *MEASUREMENTS], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="each thing once and small")
    parser.add_argument("--root", type=Path, default=PROJECT / ".sluice" / "bench", help="folder of the stack")
    parser.add_argument("--results", type=Path, help="folder to write to (benchmarks/results)")
    return parser.parse_args()


async def _measure(name: str, bench: Bench) -> Rows:
    return await MEASUREMENTS[name](bench)


def _write(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
