"""When a job is over, how, and why. Pure."""

from services.planner.model import JobRow
from shared.events.jobs import JobState


def cut_results(submit: int) -> str:
    """How the reason begins where the results of this submit's vendor job could not be walked to their end."""
    return f"results of task {submit}: "


def paging_stopped(task: int, reason: str, submit: int | None = None) -> str:
    """Why a job cannot be complete without this task, perhaps one of a submit's results: nobody knows which pages are
    behind it."""
    walk = "" if submit is None else cut_results(submit)
    return f"{walk}paging stopped at task {task}: {reason}"


def end_of(job: JobRow) -> JobState | None:
    """The job's end, if no task is open."""
    if job.open > 0 or not job.is_open:
        return None
    if job.reason or not job.discovery_over:
        return JobState.FAILED
    if job.failed:
        share = job.failed / max(job.planned, 1)
        return JobState.COMPLETED_WITH_FAILURES if share <= job.resolved.delivery.tolerate else JobState.FAILED
    if job.expected is not None and job.distinct < job.expected:
        return JobState.COMPLETED_WITH_FAILURES
    return JobState.COMPLETED


def completeness_of(job: JobRow) -> bool | None:
    """Whether all records of the vendor came; nothing where it told no total, or where a record may have slipped past
    because others before it went away, and as many came as there are."""
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
