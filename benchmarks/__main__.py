"""`make bench`: all measurements, or those named, written to `benchmarks/results/` and the documentation."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
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
    options = parse_options(sys.argv[1:])
    bench = Bench(options.root.absolute(), options.quick)
    results = options.results or (None if bench.quick else RESULTS)
    try:
        for name in options.names or MEASUREMENTS:
            where = machine.describe()
            rows = asyncio.run(_measure(name, bench))
            print(f"{name}:", *(json.dumps(row) for row in rows), sep="\n  ", flush=True)
            if results:
                _write(results / f"{name}.json", [{**row, **where} for row in rows])
    finally:
        stack.stop(bench.root)
    if results == RESULTS:
        write_page(RESULTS)


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """What is wanted; without names, everything."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    # `choices` would refuse that there are none.
    about = f"what to measure, of {', '.join(MEASUREMENTS)}; without names, all"
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME", help=about)
    parser.add_argument("--quick", action="store_true", help="each thing once and small")
    parser.add_argument("--root", type=Path, default=PROJECT / ".sluice" / "bench", help="folder of the stack")
    parser.add_argument("--results", type=Path, help="folder to write to (benchmarks/results)")
    return parser.parse_args(arguments)


def _known(name: str) -> str:
    if name not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(MEASUREMENTS)}, got {name}")
    return name


async def _measure(name: str, bench: Bench) -> Rows:
    return await MEASUREMENTS[name](bench)


def _write(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
