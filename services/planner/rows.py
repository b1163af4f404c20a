"""Rows that more than one behaviour of the planner reads or writes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from services.planner.metrics import JOBS_ENDED
from services.planner.model import Failures, JobRow, PlannedCall, Resolved, Task, TaskRef
from services.planner.waiting import Wait
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_json, storable_text
from shared.events.catalogue import JOBS_EVENTS
from shared.events.jobs import FailureCount, JobCounts, JobEnded, JobState
from shared.events.tasks import Call, FactsWanted
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.logs import get_logger
from shared.runtime.clock import utc_now

SQL = load_queries(__file__)

UNREADABLE = "specification_unreadable: this release cannot read what an older one wrote down; ask for the job again"
_STATEMENT_BYTES = 8 * 2**20
BLOCK = 5_000
"""The most tasks of a job that are cancelled, or planned again, at once."""

log = get_logger(__name__)


async def insert_tasks(tx: Transaction, tasks: Sequence[tuple[str, Task]]) -> set[UUID]:
    """Insert tasks with their vendors; gives the ids that were new. One whose key the job has had is not."""
    new = set[UUID]()
    for share in _shares(tasks):
        rows = await tx.fetch(
            SQL["insert_tasks"],
            [task.id for _, task, _ in share],
            [task.job_id for _, task, _ in share],
            [task.number for _, task, _ in share],
            [vendor for vendor, _, _ in share],
            [task.planned.purpose for _, task, _ in share],
            [call for _, _, call in share],
            [_wanted(task.planned.wanted) for _, task, _ in share],
            [task.planned.position for _, task, _ in share],
            [task.planned.unique_key for _, task, _ in share],
            [task.planned.slice for _, task, _ in share],
            [None if task.planned.input is None else to_json(task.planned.input) for _, task, _ in share],
            [task.planned.expects_list for _, task, _ in share],
        )
        new.update(row["id"] for row in rows)
    return new


def _shares(tasks: Sequence[tuple[str, Task]]) -> Iterator[list[tuple[str, Task, bytes]]]:
    """Tasks with their calls as text, in as many statements as their bytes ask for: a body that all pages of a job have
    in common is text once for each of them."""
    share: list[tuple[str, Task, bytes]] = []
    size = 0
    for vendor, task in tasks:
        call = task.planned.call.model_dump_json(exclude_defaults=True).encode()
        if share and size + len(call) > _STATEMENT_BYTES:
            yield share
            share, size = [], 0
        share.append((vendor, task, call))
        size += len(call)
    if share:
        yield share


def _wanted(wanted: FactsWanted | None) -> bytes | None:
    return None if wanted is None else wanted.model_dump_json(exclude_defaults=True).encode()


def planned_of(row: Row) -> PlannedCall:
    """The planned call of a task's row."""
    return PlannedCall(
        call=Call.model_validate_json(row["call"]),
        purpose=row["purpose"],
        wanted=None if row["wanted"] is None else FactsWanted.model_validate_json(row["wanted"]),
        position=row["position"],
        unique_key=row["unique_key"],
        slice=row["slice"],
        input=None if row["input"] is None else from_json(row["input"]),
        expects_list=row["expects_list"],
    )


def ref_of(row: Row, resolved: Resolved) -> TaskRef:
    """The task of a row, in the round that it is in. `resolved` is what its job runs with."""
    return TaskRef(row["id"], row["job_id"], row["number"], row["round"], resolved.correlation_id)


def wait_of(row: Row, resolved: Resolved, deadline_at: datetime) -> Wait:
    """The wait of a submit's row, which need not have its input and its vendor's job."""
    return Wait(
        ref_of(row, resolved),
        resolved=resolved,
        input=from_json(row.get("input") or b"{}"),
        deadline_at=deadline_at,
        vendor_job=row.get("vendor_job"),
    )


@dataclass(frozen=True, slots=True)
class LockedJobs:
    """Jobs that are locked. `unreadable`: those that this release cannot read, which are over now. `ends`: what is sent
    about that."""

    jobs: list[JobRow]
    unreadable: frozenset[UUID]
    ends: list[Outgoing]


async def lock_jobs(tx: Transaction, job_ids: Sequence[UUID]) -> LockedJobs:
    """Lock jobs in the order of their ids, so that transactions cannot deadlock."""
    jobs: list[JobRow] = []
    unreadable: list[UUID] = []
    for row in await tx.fetch(SQL["lock_jobs"], job_ids):
        resolved = read_specification(row)
        if resolved is None:
            unreadable.append(row["id"])
        else:
            jobs.append(JobRow.of(row, resolved))
    ends = await fail_unreadable(tx, unreadable, utc_now()) if unreadable else []
    return LockedJobs(jobs, frozenset(unreadable), ends)


def read_specification(row: Row) -> Resolved | None:
    """What a job runs with; nothing if this release cannot read what an older one wrote down."""
    try:
        return Resolved.model_validate_json(row["specification"])
    except ValidationError as error:
        log.error("job.unreadable", job_id=str(row["id"]), mistakes=error.error_count())
        return None


async def fail_unreadable(tx: Transaction, job_ids: Sequence[UUID], now: datetime) -> list[Outgoing]:
    """Jobs that cannot be read fail, and hold back no others; gives what is sent about that."""
    rows = await tx.fetch(SQL["fail_jobs"], job_ids, UNREADABLE)
    JOBS_ENDED.labels(state=JobState.FAILED.value).inc(len(rows))
    return [_unreadable(row, now) for row in rows]


def _unreadable(row: Row, now: datetime) -> Outgoing:
    """The end of a job that cannot be read. Its wishes for notifications cannot be read either, so it does not end as
    other jobs do. The id is derived, because a loop may send a message twice."""
    counts = JobCounts(
        planned=row["planned"],
        completed=row["completed"],
        failed=row["failed"],
        cancelled=row["cancelled"],
        records=row["records"],
        distinct=row["distinct_records"],
    )
    event = JobEnded(
        job_id=row["id"], state=JobState.FAILED, reason=UNREADABLE, counts=counts, expected=row["expected"], at=now
    )
    return outgoing(JOBS_EVENTS, row["id"], event, id=derived_id("unreadable", row["id"]), at=now)


async def cancel_planned(tx: Transaction, job: JobRow) -> list[Row]:
    """End a block of a job's planned tasks; gives them."""
    resolved = job.resolved
    rows: list[Row] = await tx.fetch(SQL["cancel_planned"], resolved.vendor, resolved.priority, job.id, BLOCK)
    return rows


async def count_failures(tx: Transaction, jobs: Iterable[JobRow]) -> Mapping[UUID, Failures]:
    """The failed tasks of those of these jobs that have any."""
    counted: dict[UUID, Failures] = {}
    failed = [job.id for job in jobs if job.failed]
    for row in await tx.fetch(SQL["count_failures"], failed) if failed else ():
        before = counted.get(row["job_id"], Failures(dead=row["dead"], expired=row["expired"]))
        one = FailureCount(reason=row["reason"], count=row["count"])
        counted[row["job_id"]] = replace(before, reasons=(*before.reasons, one))
    return counted


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job as it is now. `respecified`: what it runs with changed, too; `reports_progress`: its
    standing is reported now."""

    job: JobRow
    ended: JobState | None = None
    respecified: bool = False
    reports_progress: bool = False


async def update_jobs(tx: Transaction, updates: Sequence[JobUpdate]) -> None:
    """Write jobs as they are now."""
    jobs = [update.job for update in updates]
    await tx.execute(
        SQL["update_jobs"],
        [job.id for job in jobs],
        [(update.ended or update.job.state).value for update in updates],
        [_specification(update) for update in updates],
        [job.planned for job in jobs],
        [job.open for job in jobs],
        [job.completed for job in jobs],
        [job.failed for job in jobs],
        [job.cancelled for job in jobs],
        [job.records for job in jobs],
        [job.distinct for job in jobs],
        [job.expected for job in jobs],
        [job.barren for job in jobs],
        [job.discovery_over for job in jobs],
        [storable_text(job.reason) for job in jobs],
        [update.reports_progress for update in updates],
        [job.shrank for job in jobs],
        [job.redriven_to for job in jobs],
        [storable_json(to_json(job.cuts)) for job in jobs],
    )


def _specification(update: JobUpdate) -> bytes | None:
    """Only what changed is written again."""
    if not update.respecified:
        return None
    return update.job.resolved.model_dump_json(by_alias=True, exclude_defaults=True).encode()
