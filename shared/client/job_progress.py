"""The progress of a job, computed from its events: counts, rate, time left. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.api_models import ENDS, JobEvent

_RATE_SECONDS = 10.0
"""The rate is that of the events of the last so many seconds."""
_LEAST_SECONDS = 1.0
"""A shorter time says nothing about the rate."""


@dataclass(frozen=True, slots=True)
class Point:
    """Counts at a time, in seconds."""

    at: float
    records: int
    done: int


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a job's events have reported so far. `expected` is the vendor's total of records, if the vendor reports one.
    Until `all_known`, more tasks may follow."""

    state: str = "requested"
    records: int = 0
    expected: int | None = None
    tasks: int = 0
    all_known: bool = False
    done: int = 0
    failed: int = 0
    note: str = ""
    trail: tuple[Point, ...] = ()

    def after(self, event: JobEvent) -> "JobProgress":
        """The progress after this event. An event with an unknown name changes nothing."""
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
        """Records per second, of late."""
        return self._per_second("records")

    @property
    def all_tasks(self) -> int | None:
        """How many tasks the job has; None as long as more may follow."""
        return self.tasks if self.all_known or self.state in ENDS else None

    @property
    def seconds_left(self) -> float | None:
        """The time left at the present rate: for the records if their total is known, else for the tasks if all of them
        are known. None if neither is known, or the rate is not known yet."""
        if self.expected is None and not self.all_known:
            return None
        left, unit = self.tasks - self.done, "done"
        if self.expected is not None:
            left, unit = self.expected - self.records, "records"
        rate = self._per_second(unit)
        return max(left, 0) / rate if rate else None

    def _counted(self, data: dict[str, Any]) -> "JobProgress":
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


def line(progress: JobProgress) -> str:
    """The progress as a line of text for people."""
    expected = "" if progress.expected is None else f" of {progress.expected:,}"
    of_all = "" if progress.all_tasks is None else f" of {progress.all_tasks:,}"
    parts = [f"{progress.records:,}{expected} records", f"{progress.done:,}{of_all} tasks"]
    if progress.rate:
        parts.append(f"{progress.rate:,.0f} records/s")
    if progress.seconds_left and progress.state not in ENDS:
        parts.append(f"{span(progress.seconds_left)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)


def span(seconds: float) -> str:
    """A duration in the largest unit that it has at least two of."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _seconds(data: dict[str, Any]) -> float:
    return datetime.fromisoformat(data["at"]).timestamp()
