"""`/jobs/{id}/events`: a job's events as server-sent events (WHATWG), resumable by `Last-Event-ID`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse

from services.callback_gateway.http import store
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.event_streams import EventStream
from services.callback_gateway.http.follow import LOOK_SECONDS
from services.callback_gateway.http.json_response import json_bytes
from services.callback_gateway.http.problems import problem_responses
from services.callback_gateway.http.routes.lookup import JobId, job_or_404
from shared.database.pool import Row, Transaction
from shared.errors import Unavailable
from shared.events.jobs import JobState

_KEEP_ALIVE_SECONDS = 15.0
_PAGE = 500
_REDRIVE_SECONDS = 30.0
"""A redrive that the planner has not acted on for so long has had no effect."""
_ENDS = frozenset(f"job.{state.value}" for state in JobState if state.is_end)

T = TypeVar("T")

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"},
        204: {"description": "The job is over and nothing follows `Last-Event-ID`: do not connect again"},
        **problem_responses(404, 422),
    },
)
async def follow(
    context: Context, job_id: JobId, last_event_id: Annotated[str, Header(max_length=40)] = ""
) -> Response:
    """All events of the job from the beginning, or from the one after `Last-Event-ID`, until its end."""
    after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else 0
    async with context.database.transaction() as tx:
        job = await job_or_404(tx, job_id)
        over = job["ended_at"] is not None and not await store.is_redriven(tx, job_id, _REDRIVE_SECONDS)
        if after and over and not await store.find_events(tx, job_id, after, 1):
            return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _stream(context, job_id, after)
    return EventStream(context.stream_slots, stream, media_type="text/event-stream", headers=headers)


async def _stream(context: ApiContext, job_id: UUID, after: int) -> AsyncIterator[bytes]:
    over = False
    with context.following.follow(job_id) as followed:
        while True:
            rows = await _read(context, job_id, after)
            for row in rows:
                after, over = row["sequence"], row["type"] in _ENDS
                yield f"id: {after}\nevent: {row['type']}\ndata: ".encode() + json_bytes(row["data"]) + b"\n\n"
            if len(rows) == _PAGE:
                continue
            if over and not await _goes_on(context, job_id):
                return
            if not await followed.beyond(after, within_seconds=_KEEP_ALIVE_SECONDS):
                yield b": still here\n\n"
                over = await _is_over(context, job_id)


async def _read(context: ApiContext, job_id: UUID, after: int) -> list[Row]:
    return await _patiently(context, partial(store.find_events, job_id=job_id, after=after, limit=_PAGE))


async def _is_over(context: ApiContext, job_id: UUID) -> bool:
    """By its row: the last event need not be the end. After a crash the beginning may come after the end."""
    job = await _patiently(context, partial(store.find_job, job_id=job_id))
    return job is None or job["ended_at"] is not None


async def _goes_on(context: ApiContext, job_id: UUID) -> bool:
    """Whether a job that is over is being redriven, so that another end follows."""
    return await _patiently(context, partial(store.is_redriven, job_id=job_id, within_seconds=_REDRIVE_SECONDS))


async def _patiently(context: ApiContext, find: Callable[[Transaction], Awaitable[T]]) -> T:
    """What is found, as soon as the database answers: a stream outlives an outage."""
    while True:
        try:
            async with context.database.transaction() as tx:
                return await find(tx)
        except Unavailable:
            await asyncio.sleep(LOOK_SECONDS)
