"""Releases planned tasks. Woken by accepted jobs and by tasks that end, so that fetchers never run dry.

Tasks are marked released after the broker acknowledged them, in the transaction that chose them; the event's id is
derived from task and round, so a crash in between repeats a message that the fetcher drops. Before a submit goes out,
the gateway is told to expect its callback and the scheduler of its deadline, each acknowledged by the broker.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.planner.invocation import invoke_of
from services.planner.metrics import JOBS_ENDED, TASKS_RELEASED
from services.planner.model import Resolved
from services.planner.release import store
from services.planner.release.decide import room
from services.planner.rows import planned_of
from services.planner.settings import Settings
from services.planner.single import answer_of
from services.planner.waiting import Waiting, first_expected, timer
from shared.database.pool import Row, Transaction
from shared.events.catalogue import FETCH_REQUESTED, JOBS_EVENTS, TASKS_EVENTS
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.tasks import FetchRequested, SubmitWanted, TaskChanged, TaskState
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.metrics import vendor_label
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now

Specifications = Mapping[object, Resolved]

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.2
_UNREADABLE = "specification_unreadable: this release cannot read what an older one wrote down; ask for the job again"


class Release:
    """One step of the release loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime

    async def step(self) -> float:
        """Release what each vendor has room for; gives the seconds until the next look."""
        settings = self._runtime.settings
        async with self._runtime.database.transaction() as tx:
            loads, unprocessed = await store.find_loads(tx)
            if not loads:
                return _IDLE_SECONDS
            if unprocessed > settings.planner_unprocessed:
                return _BUSY_SECONDS
            vendors = await store.find_vendors(tx, [load.vendor for load in loads])
            rooms = {
                load.vendor: room(load, vendors.get(load.vendor), settings.planner_window_seconds) for load in loads
            }
            rows = await store.claim_window(tx, {vendor: free for vendor, free in rooms.items() if free})
            if not rows:
                return _BUSY_SECONDS
            specifications, unreadable = await store.find_specifications(tx, sorted({row["job_id"] for row in rows}))
            now = utc_now()
            if unreadable:
                await self._fail(tx, unreadable, now)
                rows = [row for row in rows if row["job_id"] in specifications]
            submits = _submits(rows, specifications, now)
            await self._runtime.producer.send([message for one in submits.values() for message in _before(one)])
            await self._runtime.producer.send(_messages(rows, specifications, submits, now))
            deadlines = {row["id"]: one.deadline_at if (one := submits.get(row["id"])) else None for row in rows}
            await store.mark_released(tx, deadlines)
        for row in rows:
            TASKS_RELEASED.labels(vendor=vendor_label(row["vendor"])).inc()
        return 0.0

    async def _fail(self, tx: Transaction, job_ids: Sequence[UUID], now: datetime) -> None:
        """A job that cannot be read is over, and holds back no other."""
        failed = await store.fail_jobs(tx, job_ids, _UNREADABLE)
        await self._runtime.producer.send([_failed(row, now) for row in failed])
        JOBS_ENDED.labels(state=JobState.FAILED.value).inc(len(failed))


def _failed(row: Row, now: datetime) -> Outgoing:
    counts = JobCounts(
        planned=row["planned"],
        completed=row["completed"],
        failed=row["failed"],
        cancelled=row["cancelled"],
        records=row["records"],
        distinct=row["distinct_records"],
    )
    event = JobEnded(
        job_id=row["id"], state=JobState.FAILED, reason=_UNREADABLE, counts=counts, expected=row["expected"], at=now
    )
    return outgoing(JOBS_EVENTS, row["id"], event, id=derived_id("unreadable", row["id"]), at=now)


def _submits(rows: Sequence[Row], specifications: Specifications, now: datetime) -> dict[UUID, Waiting]:
    """The submits among the tasks, as others will wait with them."""
    return {
        row["id"]: Waiting(
            task_id=row["id"],
            job_id=row["job_id"],
            number=row["number"],
            round=row["round"],
            resolved=specifications[row["job_id"]],
            input=planned_of(row).input or {},
            deadline_at=now + invoke_of(specifications[row["job_id"]]).deadline,
        )
        for row in rows
        if row["purpose"] == "submit"
    }


def _before(submit: Waiting) -> list[Outgoing]:
    return [first_expected(submit), timer(submit, "deadline", submit.deadline_at)]


def _messages(
    rows: Sequence[Row], specifications: Specifications, submits: Mapping[UUID, Waiting], now: datetime
) -> list[Outgoing]:
    messages = []
    processing = {job_id: resolved.processing for job_id, resolved in specifications.items()}
    for row in rows:
        resolved, planned = specifications[row["job_id"]], planned_of(row)
        place = {"task_id": row["id"], "job_id": row["job_id"], "number": row["number"], "round": row["round"]}
        released = TaskChanged(**place, state=TaskState.RELEASED, service="planner", at=now)
        event = FetchRequested(
            **place,
            vendor=resolved.vendor,
            base_url=resolved.base_url,
            purpose=planned.purpose,
            call=planned.call,
            facts=planned.wanted,
            submit=_submit_of(submits.get(row["id"])),
            answer=answer_of(resolved),
            retry=resolved.single.retry if resolved.single else None,
            sign=resolved.single.secret if resolved.single else None,
            processing=processing[row["job_id"]],
            priority=resolved.priority,
        )
        key = (row["id"], row["round"])
        messages.append(outgoing(TASKS_EVENTS, row["job_id"], released, id=derived_id("released", *key), at=now))
        messages.append(outgoing(FETCH_REQUESTED, row["id"], event, id=derived_id("fetch", *key), at=now))
    return messages


def _submit_of(submit: Waiting | None) -> SubmitWanted | None:
    if submit is None:
        return None
    invoke = invoke_of(submit.resolved)
    return SubmitWanted(vendor_job=invoke.vendor_job, deadline_at=submit.deadline_at, deadline=invoke.deadline)
