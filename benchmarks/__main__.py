"""`make bench`: all measurements, or those named: end_to_end small_job contract isolation timers."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine, measurements
from benchmarks.page import write_page
from benchmarks.system import ROOT
from benchmarks.timers import timers
from infra.local import stack

RESULTS = Path(__file__).parent / "results"
ALL = ("end_to_end", "small_job", "contract", "isolation", "timers")


def main() -> None:
    """Measure, write the results and the page."""
    wanted = sys.argv[1:] or list(ALL)
    unknown = sorted(set(wanted) - set(ALL))
    if unknown:
        sys.exit(f"benchmarks: expected some of {', '.join(ALL)}, got {', '.join(unknown)}")
    where = machine.describe()
    try:
        for name in wanted:
            if name == "end_to_end":
                rows, memory = asyncio.run(measurements.end_to_end())
                _write("end_to_end", rows, where)
                _write("memory", memory, where)
            elif name == "timers":
                _write("timers", asyncio.run(timers()), where)
            else:
                _write(name, asyncio.run(getattr(measurements, name)()), where)
    finally:
        stack.stop(ROOT)
    write_page(RESULTS)


def _write(name: str, rows: list[dict[str, Any]], where: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = "[\n" + ",\n".join("  " + json.dumps({**row, **where}) for row in rows) + "\n]\n"
    (RESULTS / f"{name}.json").write_text(text, "utf-8")
    print(f"{name}:", *(json.dumps(row) for row in rows), sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
