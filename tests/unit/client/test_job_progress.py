"""A followed job's counts, rate and time left come from its events alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.api_models import JobEvent
from shared.client.job_progress import JobProgress, line, span

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def event(name: str, seconds: float = 0, **data: Any) -> JobEvent:
    at = (BEGAN + timedelta(seconds=seconds)).isoformat()
    return JobEvent(name=f"job.{name}", sequence="1", data={**data, "at": at})


def progressed(seconds: float, records: int, completed: int, planned: int = 10, failed: int = 0) -> JobEvent:
    counts = {"planned": planned, "completed": completed, "failed": failed, "cancelled": 0, "records": records}
    return event("progressed", seconds, state="running", counts=counts)


def progress_after(*events: JobEvent) -> JobProgress:
    progress = JobProgress()
    for one in events:
        progress = progress.after(one)
    return progress


def test_the_time_left_is_the_rest_at_the_rate_of_late() -> None:
    progress = progress_after(event("accepted"), event("planned", tasks=10, records=1000), progressed(4, 200, 2))
    assert (progress.rate, progress.seconds_left) == (50, 16)
    assert line(progress) == "200 of 1,000 records, 2 of 10 tasks, 50 records/s, 16 s left"


def test_without_a_total_of_records_the_tasks_tell_the_time_left() -> None:
    progress = progress_after(event("accepted"), event("planned", tasks=10), progressed(5, 123, 5))
    assert progress.seconds_left == 5


def test_of_a_chain_nobody_knows_how_much_is_left() -> None:
    told = event("planned", tasks=2, records=None, all_known=False, note="paging detected: cursor")
    chain = progress_after(event("accepted"), told, progressed(5, 500, 5, planned=6))
    assert (chain.seconds_left, chain.all_tasks) == (None, None)
    assert line(chain) == "500 records, 5 tasks, 100 records/s"
    last = chain.after(event("planned", 6, tasks=6))
    assert (last.seconds_left, last.all_tasks) == (1, 6)
    assert progress_after(event("planned", tasks=6), told).all_known


def test_a_job_that_was_slow_at_first_is_judged_by_its_last_seconds() -> None:
    progress = progress_after(event("accepted"), progressed(100, 10, 1), progressed(105, 510, 5))
    assert progress.rate == 100


def test_nothing_is_promised_before_anything_was_done() -> None:
    assert progress_after().rate is None
    assert progress_after(event("accepted"), progressed(0, 0, 0)).seconds_left is None
    assert progress_after(event("accepted"), progressed(5, 0, 0)).seconds_left is None


def test_a_moment_says_nothing_about_a_rate() -> None:
    assert progress_after(event("accepted"), progressed(0.5, 100, 1)).rate is None
    assert progress_after(event("accepted"), progressed(1, 100, 1)).rate == 100


def test_a_job_that_is_over_has_no_time_left() -> None:
    counts = {"planned": 10, "completed": 9, "failed": 1, "cancelled": 0, "records": 900}
    end = event("completed_with_failures", 3, state="completed_with_failures", counts=counts, expected=1000)
    assert (
        line(progress_after(event("accepted"), end)) == "900 of 1,000 records, 10 of 10 tasks, 300 records/s, 1 failed"
    )


def test_the_end_has_the_last_word() -> None:
    counts = {"planned": 3, "completed": 2, "failed": 1, "cancelled": 0, "records": 20}
    progress = progress_after(
        event("accepted"),
        event("completed_with_failures", 2, state="completed_with_failures", counts=counts, expected=30),
    )
    assert (progress.state, progress.done, progress.failed, progress.expected) == ("completed_with_failures", 3, 1, 30)


def test_a_rejected_job_and_unknown_events_change_no_counts() -> None:
    assert progress_after(event("rejected", mistakes=[])).state == "rejected"
    assert progress_after(event("anything", strange=True)) == JobProgress()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (1e6, "12 d")]
)
def test_lengths_of_time_are_told_in_their_unit(seconds: float, text: str) -> None:
    assert span(seconds) == text
