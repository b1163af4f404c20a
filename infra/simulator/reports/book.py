"""The reports of one vendor: made by submits, looked at, read and aborted. Time is an argument."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from infra.simulator.reports.config import ReportsConfig
from infra.simulator.reports.plan import Course, chart, digest_of
from infra.simulator.reports.truth import ReportsTruth

REPORTS_MAX = 200_000
_QUEUED_SHARE = 0.1


class KeyReused(ValueError):
    """An Idempotency-Key came again with another input."""


@dataclass(slots=True)
class Report:
    """One asynchronous job."""

    course: Course
    digest: str
    """Of its input: the same input gives the same rows."""
    given: dict[str, Any]
    made_at: float
    rows: int
    callback_url: str | None
    key: str | None = None
    """The Idempotency-Key of its submit."""
    aborted: bool = False

    def status(self, now: float) -> str:
        """How it stands; `aborted` once somebody did."""
        if self.aborted:
            return "aborted"
        elapsed = now - self.made_at
        if elapsed >= self.course.work_seconds:
            return self.course.ending
        return "queued" if elapsed < _QUEUED_SHARE * self.course.work_seconds else "running"

    def page(self, start: int, limit: int) -> list[dict[str, Any]]:
        """Its rows from a position on."""
        key = int(self.digest, 16)
        return [
            {**self.given, "id": f"{self.digest}-{number}", "number": number, "amount": (key + number * 7919) % 10_000}
            for number in range(start, min(start + limit, self.rows))
        ]


class Book:
    """All reports of a vendor since it was set up or reset; the oldest are forgotten beyond REPORTS_MAX, with all that
    leads to them."""

    def __init__(self, vendor: str) -> None:
        self.truth = ReportsTruth()
        self._vendor = vendor
        self._reports: OrderedDict[str, Report] = OrderedDict()
        self._made_of: dict[str, int] = {}
        self._by_key: dict[str, str] = {}

    def submit(
        self, config: ReportsConfig, body: dict[str, Any], key: str | None, *, seed: int, now: float
    ) -> tuple[Report, bool]:
        """The report for a submit, and whether it is a new one. `key` is the Idempotency-Key, where there was one.

        Raises KeyReused.
        """
        given = {name: value for name, value in body.items() if name != "callback_url"}
        digest = digest_of(given)
        known = self._reports.get(self._by_key.get(key, "")) if key is not None and config.idempotency_keys else None
        if known is not None and known.digest != digest:
            raise KeyReused("this Idempotency-Key came with another input before")
        self.truth.submitted(orjson.dumps(given).decode(), key, made=known is None)
        if known is not None:
            return known, False
        course = chart(config, seed=seed, vendor=self._vendor, digest=digest, repetition=self._repetition(digest))
        url = body.get("callback_url", config.callback_url)
        report = Report(course, digest, given, now, config.rows, url, key)
        self._keep(report)
        return report, True

    def _repetition(self, digest: str) -> int:
        """How often the same was submitted before."""
        made = self._made_of.get(digest, 0)
        if made or len(self._made_of) < REPORTS_MAX:
            self._made_of[digest] = made + 1
            return made
        # Out of memory for counters: a repeated submit must still make another report, though no longer repeatably.
        return self.truth.submits

    def _keep(self, report: Report) -> None:
        self._reports[report.course.report_id] = report
        if report.key is not None:
            self._by_key[report.key] = report.course.report_id
        if len(self._reports) > REPORTS_MAX:
            forgotten_id, forgotten = self._reports.popitem(last=False)
            if forgotten.key is not None and self._by_key.get(forgotten.key) == forgotten_id:
                del self._by_key[forgotten.key]

    def find(self, report_id: str) -> Report | None:
        """The report of that id."""
        return self._reports.get(report_id)

    def abort(self, report: Report, now: float) -> bool:
        """Stop a report's work; False if it was over already."""
        if report.status(now) in ("succeeded", "failed"):
            return False
        self.truth.aborted += not report.aborted
        report.aborted = True
        return True
