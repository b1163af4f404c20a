"""The results as a page of the documentation."""

import json
from pathlib import Path
from typing import Any

from benchmarks.targets import TARGETS, Target

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench` from `benchmarks/results/`. All systems take turns on the same simulator and the same Postgres,
sharing the machine with both, with Kafka and with each other. Below each table stand its targets, and whether these
figures reach them; `make bench` computes both from the same results.

Rates, the times of requests and jobs, and the used share of a contract are medians of the rounds. `highest_seen` is of
the worst round, and a contract's requests are those of all rounds. Memory, timers, the outage and the callbacks are
measured once.

`script` is a hand-written program (`benchmarks/peers/aiohttp_script.py`): one process, no plan that outlives it, no
contract, no retry. `dlt` is its rest_api source into Postgres, as it comes.

What a record is decides what a system does with it. A `nested` record is an order with a customer and one to three
lines, about 300 bytes. Sluice and `script` keep it as JSON; `dlt` makes columns of its fields and a second table of its
lines. A `flat` record has six fields and 120 bytes, the least that an API returns: there is less to do for it, and what
Sluice does for each page and each task weighs more. Decision 20 says why both are measured.

The figures depend on how the Python was built. On one machine, on one day, at commit a326e10, with 200,000 flat
records:

- CPython built with profile-guided optimisation (Debian's 3.11.2): 57,082 records/s, `script` 132,082, `dlt` 17,447;
  that is 0.43 times `script` and 3.3 times `dlt`.
- CPython built without it (3.11.7, by pyenv's defaults): 49,206 records/s, `script` 125,196, `dlt` 15,664; that is
  0.39 times `script` and 3.1 times `dlt`.

So run Sluice on an optimised build. Those of python.org, of Debian, of uv and of the image are, and `make setup` takes
the distribution's own where it fits.

The rates of `/jobs` are those of jobs that are accepted, planned and shown at the same time, on the same two cores:
a planner that lags behind would make them look a quarter better.
"""
TITLES = {
    "end_to_end": "Records per second, end to end, pages of 100 nested records into Postgres",
    "end_to_end_flat": "Records per second, end to end, pages of 100 flat records into Postgres",
    "small_job": "A job of one page, from POST to completed",
    "memory": "Memory of each service",
    "contract": "A contract, as counted by the vendor",
    "ingress": "Webhooks and jobs taken, beside a bare handler that only produces",
    "isolation": "A job beside a vendor that hangs for 60 seconds",
    "timers": "Timers while a million are pending: how late they fire, as a consumer sees it",
    "outage": "The broker down for a minute, in the middle of polls, vendor jobs, requests and webhooks",
    "callbacks": "Callbacks in random order, some early, some twice, with the gateway killed once in between",
    "simulator": "The vendor simulator alone, on one core",
}
_ABOUT = ("machine", "commit", "date")


def write_page(results: Path) -> None:
    """Write the page from whatever results there are."""
    PAGE.write_text(page(results), "utf-8")


def page(results: Path) -> str:
    """The page for whatever results there are."""
    parts = [HEAD]
    for name, title in TITLES.items():
        path = results / f"{name}.json"
        if path.exists():
            rows = json.loads(path.read_text("utf-8"))
            parts.append(_section(title, rows, TARGETS[name](rows)))
    return "\n".join(parts)


def _section(title: str, rows: list[dict[str, Any]], targets: list[Target]) -> str:
    columns = [name for name in rows[0] if name not in _ABOUT]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(_text(row[name]) for name in columns)} |" for row in rows]
    about = f"{rows[0]['machine']}; commit {rows[0]['commit']}, {rows[0]['date']}."
    return "\n".join([f"## {title}", "", *lines, "", *_asked(targets), about, ""])


def _asked(targets: list[Target]) -> list[str]:
    """The targets as a table, with whether each was reached, and an empty line."""
    lines = ["| target | asked | measured | reached |", "|---|---|---|---|"]
    for each in targets:
        reached = "yes" if each.is_reached else "**no**"
        lines.append(f"| {each.what} | {each.asked} | {_text(round(each.measured, 3))} | {reached} |")
    return [*lines, ""]


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
