"""When a job is over, how, and why. Pure."""

import re
from collections.abc import Collection

from services.planner.model import JobRow
from shared.events.jobs import JobState

_MOST_CUT = 20
_OTHERS = "results of others: cut off, too"
_PARTS = re.compile("; (?=results of |cursor_loops: )")
BARREN = "no_new_records: "
"""How the reason begins where pages without a new record ended the paging."""
LOOPS = "cursor_loops: the vendor gave a cursor that it had given before"


def cut_results(submit: int) -> str:
    """How the reason begins where the results of this submit's vendor job could not be walked to their end."""
    return f"results of task {submit}: "


def paging_stopped(task: int, reason: str, submit: int | None = None) -> str:
    """Why a job cannot be complete without this task, perhaps one of a submit's results: it is unknown which pages
    follow it."""
    walk = "" if submit is None else cut_results(submit)
    return f"{walk}paging stopped at task {task}: {reason}"


def also_cut(reason: str, cut: str) -> str:
    """The reason of a job with one more that keeps it from being complete: of each vendor job the first counts, and of
    very many all but some are only known to be there."""
    if not reason:
        return cut
    kind = cut.partition(": ")[0]
    parts = _PARTS.split(reason)
    if any(part.startswith(f"{kind}: ") for part in parts) or parts[-1] == _OTHERS:
        return reason
    return "; ".join([*parts, cut if len(parts) < _MOST_CUT else _OTHERS])


def without_cuts(reason: str, submits: Collection[int]) -> str:
    """What of a reason is left when the results of these are walked on. Which others there were was not kept."""
    resumed = tuple(cut_results(submit) for submit in submits)
    parts = _PARTS.split(reason)
    left = [part for part in parts if not part.startswith(resumed)]
    return "; ".join(left if left == parts else [part for part in left if part != _OTHERS])


def end_of(job: JobRow) -> JobState | None:
    """The job's end, if no task is open, and no failed one is still to be planned again."""
    to_redrive = job.redriven_to is not None and job.failed > 0
    if job.open > 0 or to_redrive or not job.is_open:
        return None
    if job.reason or not job.discovery_over:
        return JobState.FAILED
    if job.failed:
        share = job.failed / max(job.planned, 1)
        return JobState.COMPLETED_WITH_FAILURES if share <= job.resolved.output.tolerate else JobState.FAILED
    if job.expected is not None and job.distinct < job.expected:
        return JobState.COMPLETED_WITH_FAILURES
    return JobState.COMPLETED


def completeness_of(job: JobRow) -> bool | None:
    """Whether all records of the vendor came. None without a vendor total, or if enough came but the total shrank: a
    record may have moved to a page that was already read."""
    if job.expected is None:
        return None
    enough = job.distinct >= job.expected
    return None if enough and job.shrank else enough


def reason_of(job: JobRow, end: JobState) -> str:
    """The end in words; empty when there is nothing to say."""
    if job.reason or end in (JobState.COMPLETED, JobState.CANCELLED):
        return job.reason
    if job.failed:
        return f"{job.failed} of {job.planned} tasks failed"
    if not job.discovery_over:
        return "paging ended early"
    return f"incomplete: {job.distinct} distinct records of {job.expected} that the vendor has"
