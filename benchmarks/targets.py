"""What each measurement asks for, beside what was measured. Pure: rows of results → targets."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is asked of a measurement. Exactly one of `least` and `most` is set."""

    what: str
    measured: float
    least: float | None = None
    most: float | None = None

    @property
    def asked(self) -> str:
        """The limit in words."""
        return f"at least {self.least:,}" if self.least is not None else f"at most {self.most:,}"

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within the limit. The exact figure is compared, not the rounded one that is shown."""
        if self.least is not None:
            return self.measured >= self.least
        return self.most is not None and self.measured <= self.most


def _end_to_end(rows: Rows) -> list[Target]:
    found = []
    for records in dict.fromkeys(row["records"] for row in rows):
        rates = {row["system"]: row["records_per_second"] for row in rows if row["records"] == records}
        for peer, least in (("dlt", 4), ("script", 0.4)):
            found.append(Target(f"{records:,} records: times `{peer}`", rates["sluice"] / rates[peer], least=least))
    return found


def _small_job(rows: Rows) -> list[Target]:
    [row] = rows
    return [
        Target("median, in ms", row["p50_ms"], most=150),
        Target("99th percentile, in ms", row["p99_ms"], most=500),
    ]


def _memory(rows: Rows) -> list[Target]:
    return [Target("the largest service, in MiB", max(row["megabytes"] for row in rows), most=250)]


def _contract(rows: Rows) -> list[Target]:
    found = []
    for row in rows:
        name = f"{row['fetchers']} fetchers, {row['killed']} killed"
        found.append(Target(f"{name}: requests in any window", row["highest_seen"], most=row["allowed"]))
        found.append(Target(f"{name}: used share", row["used_share"], least=0.95))
    return found


def _ingress(rows: Rows) -> list[Target]:
    [bare] = [row for row in rows if row["system"] == "bare"]
    found = []
    for row in rows:
        if row["system"] == "bare":
            continue
        webhook = row["path"].startswith("/in/")
        times = row["requests_per_second"] / bare["requests_per_second"]
        found.append(Target(f"`{row['path']}`: times the rate of `bare`", times, least=0.4 if webhook else 0.25))
        if webhook:
            slower = row["p99_ms"] / bare["p99_ms"]
            found.append(Target(f"`{row['path']}`: times the 99th percentile of `bare`", slower, most=3))
    return found


def _isolation(rows: Rows) -> list[Target]:
    [row] = rows
    return [Target("delay of the job, as a share", row["delay_share"], most=0.05)]


def _outage(rows: Rows) -> list[Target]:
    [row] = rows
    recovery = row["seconds_until_90_percent"]
    return [
        Target("acknowledged jobs that did not complete", row["jobs_acknowledged"] - row["jobs_completed"], most=0),
        Target("acknowledged webhooks that were lost", row["webhooks_acknowledged"] - row["webhooks_found"], most=0),
        Target("seconds until 90 % of the rate", math.inf if recovery is None else recovery, most=60),
    ]


def _timers(rows: Rows) -> list[Target]:
    [row] = rows
    return [
        Target("99th percentile of the lateness, in ms", row["lateness_p99_ms"], most=150),
        Target("timers that fired twice or never", row["twice"] + row["lost"], most=0),
    ]


def _callbacks(rows: Rows) -> list[Target]:
    [row] = rows
    return [
        Target("median from a callback to its task, in ms", row["p50_ms"], most=50),
        Target("tasks that were completed once", row["completed_once"], least=row["vendor_jobs"]),
        Target("tasks that were completed twice", row["completed_twice"], most=0),
    ]


def _simulator(rows: Rows) -> list[Target]:
    [row] = rows
    return [Target("requests a second", row["requests_per_second"], least=3_000)]


TARGETS: Mapping[str, Callable[[Rows], list[Target]]] = {
    "end_to_end": _end_to_end,
    "end_to_end_flat": _end_to_end,
    "small_job": _small_job,
    "memory": _memory,
    "contract": _contract,
    "ingress": _ingress,
    "isolation": _isolation,
    "timers": _timers,
    "outage": _outage,
    "callbacks": _callbacks,
    "simulator": _simulator,
}
"""By the name of the measurement."""
