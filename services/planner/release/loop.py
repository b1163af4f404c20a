"""Releases planned tasks. Woken by accepted jobs and by tasks that end, so that fetchers never run dry.

Tasks are marked released after the broker acknowledged them, in the transaction that chose them; the event's id is
derived from task and round, so a crash in between repeats a message that the fetcher drops. Before a submit goes out,
the gateway is told to expect its callback and the scheduler of its deadline, each acknowledged by the broker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from services.planner.invocation import invoke_of
from services.planner.messages import moved_task
from services.planner.metrics import JOBS_ENDED, TASKS_RELEASED
from services.planner.model import Place, PlannedCall, Resolved
from services.planner.placeholders import is_template
from services.planner.release import store
from services.planner.release.decide import Load, Room, Turn, room
from services.planner.rows import place_of, planned_of, wait_of
from services.planner.settings import Settings
from services.planner.single import answer_of
from services.planner.waiting import Wait, first_expected, timer
from shared.database.pool import Row, Transaction
from shared.errors import Rejected
from shared.events.catalogue import FETCH_REQUESTED, JOBS_EVENTS
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.tasks import FetchRequested, SubmitWanted, TaskState
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from shared.specification.invoke import IN_SUBMIT
from shared.specification.vendor import Vendor

_IDLE_SECONDS = 1.0
_BUSY_SECONDS = 0.2
_SEND_SECONDS = 5.0
_UNREADABLE = "specification_unreadable: this release cannot read what an older one wrote down; ask for the job again"

log = get_logger(__name__)


class Release:
    """One step of the release loop. It remembers which job it served last, for the others are next; a planner that
    starts begins with any."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._served: dict[Turn, UUID] = {}
        self._was_heard = True
        """Whether the broker took what was sent last. While it does not, one task of each vendor shows when it does
        again: the others stay free for a planner that reaches it."""

    async def step(self) -> float:
        """Release what each vendor has room for; gives the seconds until the next look."""
        async with self._runtime.database.transaction() as tx:
            loads = await store.find_loads(tx, self._runtime.settings.planner_unprocessed)
            if not loads:
                return _IDLE_SECONDS
            busy = [load.vendor for load in loads]
            rooms = self._rooms(loads, await store.find_vendors(tx, busy))
            self._served = {turn: job_id for turn, job_id in self._served.items() if turn[0] in busy}
            rows = await store.claim_window(tx, rooms, self._served)
            if not rows:
                return _BUSY_SECONDS
            specifications, unreadable = await store.find_specifications(tx, sorted({row["job_id"] for row in rows}))
            now = utc_now()
            if unreadable:
                await self._fail(tx, unreadable, now)
                rows = [row for row in rows if row["job_id"] in specifications]
            released = [_release(row, specifications[row["job_id"]], now) for row in rows]
            await self._send([message for one in released for message in one.before])
            await self._send([message for one in released for message in one.messages])
            await store.mark_released(tx, {one.task_id: one.deadline_at for one in released})
        for row, one in zip(rows, released, strict=True):
            TASKS_RELEASED.labels(vendor=vendor_label(row["vendor"])).inc(one.goes_out)
            self._served[row["vendor"], row["priority"]] = row["job_id"]
        return 0.0

    def _rooms(self, loads: Sequence[Load], vendors: Mapping[str, Vendor]) -> dict[str, Room]:
        """What may go out, by vendor; one without room is not there."""
        settings = self._runtime.settings
        seconds, unprocessed_most = settings.planner_window_seconds, settings.planner_unprocessed
        found = {load.vendor: room(load, vendors.get(load.vendor), seconds, unprocessed_most) for load in loads}
        rooms = {vendor: one for vendor, one in found.items() if one.free}
        return rooms if self._was_heard else {vendor: replace(one, free=1) for vendor, one in rooms.items()}

    async def _fail(self, tx: Transaction, job_ids: Sequence[UUID], now: datetime) -> None:
        """A job that cannot be read is over, and holds back no other."""
        failed = await store.fail_jobs(tx, job_ids, _UNREADABLE)
        await self._send([_failed(row, now) for row in failed])
        JOBS_ENDED.labels(state=JobState.FAILED.value).inc(len(failed))

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        """Within a few seconds: rows are locked meanwhile."""
        self._was_heard = False
        await self._runtime.producer.send(messages, within_seconds=_SEND_SECONDS)
        self._was_heard = True


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


@dataclass(frozen=True, slots=True)
class _Released:
    """What is told when a task goes out, `before` it and with it, and the end of its wait, if it is to wait."""

    task_id: UUID
    before: list[Outgoing]
    messages: list[Outgoing]
    deadline_at: datetime | None = None
    goes_out: bool = True


def _release(row: Row, resolved: Resolved, now: datetime) -> _Released:
    """A call that cannot be told fails its task, and holds back no other: all vendors share this transaction."""
    place = place_of(row)
    try:
        planned = planned_of(row)
        submit = None
        if planned.purpose == "submit":
            submit = wait_of(row, resolved, now + invoke_of(resolved).deadline)
        before = [] if submit is None else [first_expected(submit), timer(submit, "deadline", submit.deadline_at)]
        messages = [_moved(place, TaskState.RELEASED, now), _fetch(place, planned, resolved, submit, now)]
        return _Released(row["id"], before, messages, None if submit is None else submit.deadline_at)
    except Rejected as error:
        reason = f"{error.reason}: {error}"
    except ValidationError:
        reason = _UNREADABLE
    log.error("task.unreleasable", job_id=str(row["job_id"]), task_id=str(row["id"]), reason=reason)
    return _Released(row["id"], [], [_moved(place, TaskState.DEAD, now, reason)], goes_out=False)


def _moved(place: Place, state: TaskState, now: datetime, reason: str = "") -> Outgoing:
    return moved_task(place, state, now, reason=reason, id=derived_id(state.value, place.task_id, place.round))


def _fetch(place: Place, planned: PlannedCall, resolved: Resolved, submit: Wait | None, now: datetime) -> Outgoing:
    event = FetchRequested(
        **place._asdict(),
        vendor=resolved.vendor,
        base_url=resolved.base_url,
        purpose=planned.purpose,
        call=planned.call,
        facts=planned.wanted,
        submit=None if submit is None else _wanted(submit),
        answer=answer_of(resolved),
        retry=resolved.single.retry if resolved.single else None,
        sign=resolved.single.secret if resolved.single else None,
        processing=resolved.processing,
        priority=resolved.priority,
    )
    return outgoing(FETCH_REQUESTED, place.task_id, event, id=derived_id("fetch", place.task_id, place.round), at=now)


def _wanted(submit: Wait) -> SubmitWanted:
    invoke = invoke_of(submit.resolved)
    return SubmitWanted(
        vendor_job=invoke.vendor_job,
        deadline_at=submit.deadline_at,
        deadline=invoke.deadline,
        template=is_template(invoke.submit, IN_SUBMIT) if submit.resolved.templated else None,
    )
