"""`/schedules`: what is to be started later, once or again and again."""

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.checks import check, check_notices
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.description import Schedules, accepted_headers, document
from services.callback_gateway.http.idempotency import IDEMPOTENCY_KEY, idempotency_key, use_key
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.lookup import Limit, page
from services.callback_gateway.schedules import store
from services.callback_gateway.schedules.presentation import schedule_body
from shared.api_models import ScheduleReference, ScheduleView
from shared.database.pool import Row
from shared.errors import Invalid, Problem, Unavailable
from shared.events.catalogue import SCHEDULES_REQUESTED
from shared.events.envelope import Event
from shared.events.firing import first_target, read_schedule
from shared.events.jobs import JobRequested
from shared.events.schedules import ScheduleRequested, ScheduleState, schedule_id_of
from shared.events.webhooks import Notification
from shared.ids import derived_id, new_id
from shared.messaging.handler import outgoing
from shared.observability.logs import get_logger
from shared.runtime.clock import utc_now
from shared.specification.placeholders import read_job
from shared.specification.recurrence import next_time
from shared.specification.schedule import Schedule

Place = Annotated[
    str, Path(alias="schedule", pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$", description="the schedule's id or name")
]
Action = Literal["pause", "resume", "trigger"]
EXAMPLES = (
    {"triggerAt": "2026-12-24T18:00:00+01:00", "start": {"url": "https://api.example/items"}},
    {
        "schedule": "nightly-orders",
        "cron": "0 3 * * *",
        "zone": "Europe/Berlin",
        "start": {"source": "acme-orders", "parameters": {"day": "{schedule.date}"}},
        "on_failure": {"reschedule": {"after": "15m", "at_most": 3}},
    },
)
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": ScheduleReference, "headers": accepted_headers("The schedule")}
}
_PATIENCE_SECONDS = 1.0
_MOST_LOGGED, _LONGEST_LOGGED = 20, 200
"""How many mistakes of a document are logged, and how many characters of each."""

log = get_logger(__name__)

router = APIRouter(prefix="/schedules", tags=["schedules"])


@router.post(
    "",
    status_code=202,
    summary="Schedule something",
    responses={**_ACCEPTED, **problem_responses(400, 408, 413, 415, 422)},
    openapi_extra={"parameters": [IDEMPOTENCY_KEY], "requestBody": document("Schedule", *EXAMPLES)},
)
async def submit(context: Context, request: Request) -> Response:
    """Check a schedule, make it durable, answer with its correlation id. With a name that is known already, it
    replaces the schedule of that name."""
    body, found = await read_json_body(request, context.settings)
    fingerprint = hashlib.sha256(b"/schedules\0" + body).digest()
    key = idempotency_key(request)
    first_asked_at = await _first_asked_at(context, key, fingerprint)
    asked_at = first_asked_at or utc_now()
    schedule = await _checked(context, found, asked_at, is_known=first_asked_at is not None)
    wanted, replayed = new_id(), False
    if key is not None:
        wanted, _, replayed = await use_key(context, key, fingerprint, wanted)
    schedule_id = schedule_id_of(schedule.schedule) if schedule.schedule else wanted
    event = ScheduleRequested(schedule_id=schedule_id, schedule=found, asked_at=asked_at)
    message = outgoing(
        SCHEDULES_REQUESTED, schedule_id, event, id=derived_id("schedule.requested", wanted), at=asked_at
    )
    await context.outbound.send([message], in_order=schedule.schedule is not None)
    if not replayed:
        await _show(context, schedule_id, schedule.schedule, found, asked_at)
    log.info("schedule.requested", schedule_id=str(schedule_id), replayed=replayed)
    answer = _accepted(schedule_id, schedule.trigger_at or next_time(schedule, asked_at, asked_at))
    if replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


@router.get("", summary="List schedules, newest first", responses={200: {"model": Schedules}, **problem_responses(422)})
async def list_schedules(
    context: Context,
    status: Annotated[
        ScheduleState | None, Query(description="only schedules in this state; without, all but removed ones")
    ] = None,
    limit: Limit = 50,
    after: UUID | None = None,
) -> Response:
    """Schedules, a page at a time; `next` is the `after` of the next page. Large ones make a page shorter."""
    async with context.database.transaction() as tx:
        rows = await store.find_schedules(tx, status, after, limit)
    is_cut = bool(rows) and rows[0]["found"] > len(rows)
    return json_response(page("schedules", rows, lambda row: schedule_body(row, []), len(rows) if is_cut else limit))


@router.get("/{schedule}", summary="A schedule", responses={200: {"model": ScheduleView}, **problem_responses(404)})
async def show(context: Context, place: Place) -> Response:
    """With its next times, and the verdicts of its latest 200 firings, newest first."""
    row = await _find(context, place)
    async with context.database.transaction() as tx:
        firings = await store.find_firings(tx, row["id"], store.FIRINGS_KEPT)
    return json_response(schedule_body(row, firings))


@router.post(
    "/{schedule}/{action}",
    status_code=202,
    summary="Pause, resume or trigger a schedule",
    responses={**_ACCEPTED, **problem_responses(404)},
)
async def control(context: Context, place: Place, action: Action) -> Response:
    """`trigger` fires it now, whatever else runs; a one-time schedule does not fire again at its time."""
    return await _ask(context, place, action)


@router.delete(
    "/{schedule}", status_code=202, summary="Remove a schedule", responses={**_ACCEPTED, **problem_responses(404)}
)
async def delete(context: Context, place: Place) -> Response:
    """It no longer fires; jobs that it has started continue. Its latest firings are shown for a month."""
    return await _ask(context, place, "delete")


async def _first_asked_at(context: ApiContext, key: str | None, fingerprint: bytes) -> datetime | None:
    """When it was first asked for, if this is a repetition, which may come after the time of its schedule."""
    if key is None:
        return None
    async with context.database.transaction() as tx:
        return await store.find_key_time(tx, key, fingerprint)


async def _checked(context: ApiContext, found: Any, asked_at: datetime, *, is_known: bool) -> Schedule:
    """The schedule, if its times, its target and the names in it are good. Those of a repetition were: what they name
    may have been removed since."""
    try:
        schedule = read_schedule(found, asked_at)
        if not is_known:
            await _check_names(context, schedule, asked_at)
    except Invalid as error:
        logged = [str(one)[:_LONGEST_LOGGED] for one in error.problems[:_MOST_LOGGED]]
        log.info("schedule.refused", mistakes=logged, count=len(error.problems))
        raise
    return schedule


async def _check_names(context: ApiContext, schedule: Schedule, asked_at: datetime) -> None:
    """The names and addresses in a schedule are good, and a source that it starts gets what it needs, at its first
    firing.

    Raises:
        Invalid: they are not.
    """
    at = "/start" if schedule.publish is None else "/publish/event"
    try:
        await _check_event(context, first_target(schedule, asked_at).event, asked_at)
    except Invalid as error:
        raise Invalid([Problem(f"{at}{one.pointer}", one.detail) for one in error.problems]) from None
    except Unavailable:
        pass  # the planner looks again when it is due
    await check_notices(context, schedule.on_failure.notify, "/on_failure/notify")


async def _check_event(context: ApiContext, event: Event, asked_at: datetime) -> None:
    match event:
        case JobRequested():
            await check(context, read_job(event.document))
        case ScheduleRequested(action="put", schedule=document):
            try:
                await _check_names(context, Schedule.model_validate(document), asked_at)
            except Invalid as error:
                raise Invalid([Problem(f"/schedule{one.pointer}", one.detail) for one in error.problems]) from None
        case Notification(webhooks=webhooks):
            await check_notices(context, webhooks, "/webhooks")


async def _ask(context: ApiContext, place: str, action: Literal["pause", "resume", "trigger", "delete"]) -> Response:
    row = await _find(context, place)
    if row["state"] in (ScheduleState.REMOVED, ScheduleState.REJECTED):
        raise Refusal(404, f"schedule {place} is {row['state']}")
    event = ScheduleRequested(schedule_id=row["id"], action=action, asked_at=utc_now())
    await context.outbound.send([outgoing(SCHEDULES_REQUESTED, row["id"], event)], in_order=True)
    log.info("schedule.asked", schedule_id=str(row["id"]), action=action)
    return _accepted(row["id"], row["next_at"])


async def _find(context: ApiContext, place: str) -> Row:
    """The schedule of this id; if there is none, that of this name, which may look like an id."""
    async with context.database.transaction() as tx:
        for schedule_id in (*_id_in(place), schedule_id_of(place)):
            row = await store.find_schedule(tx, schedule_id)
            if row is not None:
                return row
    raise Refusal(404, f"there is no schedule {place}")


def _id_in(place: str) -> tuple[UUID, ...]:
    try:
        return (UUID(place),)
    except ValueError:
        return ()


async def _show(context: ApiContext, schedule_id: UUID, name: str | None, document: object, asked_at: datetime) -> None:
    """Visible at once; a database that is away delays nobody: the row comes with the scheduler's first fact. That one
    shows a repetition, too, if the first never came so far: the schedule may be over since."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), context.database.transaction() as tx:
            await store.insert_schedule(tx, schedule_id, name, document, asked_at)
    except (Unavailable, TimeoutError):
        return


def _accepted(schedule_id: UUID, next_at: datetime | None) -> Response:
    place = f"/schedules/{schedule_id}"
    body = {
        "id": str(schedule_id),
        "correlation_id": str(schedule_id),
        "kind": "schedule",
        "status": "requested",
        "next_at": next_at,
        "links": {"self": place},
    }
    answer = json_response(body, 202)
    answer.headers.update({"Location": place, "Retry-After": "1"})
    return answer
