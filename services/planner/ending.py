"""When a job is over, how, and why. Pure."""

from collections.abc import Mapping

from services.planner.model import JobRow
from shared.events.jobs import JobState

_MOST_SHOWN = 20
_OTHERS = "results of others: cut off, too"
BARREN = "no_new_records: "
"""How the reason begins where pages without a new record ended the paging."""
LOOPS = "cursor_loops: the vendor gave a cursor that it had given before"


def paging_stopped(task: int, reason: str) -> str:
    """Why a job cannot be complete without this task: it is unknown which pages follow it."""
    return f"paging stopped at task {task}: {reason}"


def also_cut(cuts: Mapping[int, str], submit: int, why: str) -> Mapping[int, str]:
    """The cuts of a job with one more. Of each vendor job the first counts. One more is kept than is shown, which tells
    that there are others."""
    return cuts if submit in cuts or len(cuts) > _MOST_SHOWN else {**cuts, submit: why}


def end_of(job: JobRow) -> JobState | None:
    """The job's end, if no task is open, and no failed one is still to be planned again."""
    to_redrive = job.redriven_to is not None and job.failed > 0
    if job.open > 0 or to_redrive or not job.is_open:
        return None
    if job.reason or job.cuts or not job.discovery_over:
        return JobState.FAILED
    if job.failed:
        share = job.failed / max(job.planned, 1)
        return JobState.COMPLETED_WITH_FAILURES if share <= job.resolved.output.tolerate else JobState.FAILED
    if job.expected is not None and job.distinct < job.expected:
        return JobState.COMPLETED_WITH_FAILURES
    return JobState.COMPLETED


def completeness_of(job: JobRow) -> bool | None:
    """Whether all records of the vendor came. None without a vendor total, if more came than it tells of, or if enough
    came but the total shrank: a record may have moved to a page that was already read."""
    if job.expected is None or job.distinct > job.expected:
        return None
    enough = job.distinct == job.expected
    return None if enough and job.shrank else enough


def reason_of(job: JobRow, end: JobState) -> str:
    """The end in words; empty when there is nothing to say."""
    if end is JobState.CANCELLED:
        return job.reason
    if job.reason or job.cuts:
        return "; ".join([*([job.reason] if job.reason else ()), *_shown(job.cuts)])
    if end is JobState.COMPLETED:
        return ""
    if job.failed:
        return f"{job.failed} of {job.planned} tasks failed"
    if not job.discovery_over:
        return "paging ended early"
    return f"incomplete: {job.distinct} distinct records of {job.expected} that the vendor has"


def _shown(cuts: Mapping[int, str]) -> list[str]:
    shown = [f"results of task {submit}: {why}" for submit, why in sorted(cuts.items())[:_MOST_SHOWN]]
    return shown if len(cuts) <= _MOST_SHOWN else [*shown, _OTHERS]
