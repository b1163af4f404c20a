"""Where a followed job stands, folded from its events: counts, rate, time left. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.api_models import ENDS, JobEvent

_RATE_SECONDS = 10.0
"""The rate is taken over the events of so long."""
_LEAST_SECONDS = 1.0
"""Less than this says nothing about a rate."""


@dataclass(frozen=True, slots=True)
class Point:
    """Counts at a time, in seconds."""

    at: float
    records: int
    done: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A job as its events have told it so far; `expected` is the vendor's total of records, if it told one. Until
    `all_known` more tasks may follow than anybody knows."""

    state: str = "requested"
    records: int = 0
    expected: int | None = None
    tasks: int = 0
    all_known: bool = False
    done: int = 0
    failed: int = 0
    note: str = ""
    trail: tuple[Point, ...] = ()

    def after(self, event: JobEvent) -> "Standing":
        """The standing once this event has happened; events of no known name change nothing."""
        data = event.data
        match event.name:
            case "job.accepted":
                return replace(self, state="accepted", trail=(Point(_seconds(data), self.records, self.done),))
            case "job.planned":
                planned = data.get("tasks", self.tasks)
                note = data.get("note") or self.note
                known = self.all_known or data.get("all_known", True)
                expected = data.get("records", self.expected)
                return replace(self, tasks=planned, expected=expected, all_known=known, note=note)
            case "job.rejected":
                return replace(self, state="rejected")
        return self._counted(data) if "counts" in data else self

    @property
    def rate(self) -> float | None:
        """Records a second, lately."""
        return self._per_second("records")

    @property
    def all_tasks(self) -> int | None:
        """How many tasks there are, once that is known: no more come when a job is over."""
        return self.tasks if self.all_known or self.state in ENDS else None

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far: by records if their total is known, else by tasks if all of them are."""
        if self.expected is None and not self.all_known:
            return None
        left, unit = self.tasks - self.done, "done"
        if self.expected is not None:
            left, unit = self.expected - self.records, "records"
        rate = self._per_second(unit)
        return max(left, 0) / rate if rate else None

    def _counted(self, data: dict[str, Any]) -> "Standing":
        counts = data["counts"]
        done = counts["completed"] + counts["failed"] + counts["cancelled"]
        now = Point(_seconds(data), counts["records"], done)
        recent = tuple(point for point in self.trail if now.at - point.at <= _RATE_SECONDS)
        return replace(
            self,
            state=data["state"],
            records=now.records,
            tasks=max(counts["planned"], self.tasks),
            expected=data.get("expected", self.expected),
            done=done,
            failed=counts["failed"],
            trail=((*recent,) or self.trail[-1:]) + (now,),
        )

    def _per_second(self, unit: str) -> float | None:
        if len(self.trail) < 2 or self.trail[-1].at - self.trail[0].at < _LEAST_SECONDS:
            return None
        first, last = self.trail[0], self.trail[-1]
        return float(getattr(last, unit) - getattr(first, unit)) / (last.at - first.at)


def line(standing: Standing) -> str:
    """A standing as people read it."""
    expected = "" if standing.expected is None else f" of {standing.expected:,}"
    of_all = "" if standing.all_tasks is None else f" of {standing.all_tasks:,}"
    parts = [f"{standing.records:,}{expected} records", f"{standing.done:,}{of_all} tasks"]
    if standing.rate:
        parts.append(f"{standing.rate:,.0f} records/s")
    if standing.seconds_left and standing.state not in ENDS:
        parts.append(f"{span(standing.seconds_left)} left")
    if standing.failed:
        parts.append(f"{standing.failed:,} failed")
    return ", ".join(parts)


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _seconds(data: dict[str, Any]) -> float:
    return datetime.fromisoformat(data["at"]).timestamp()
