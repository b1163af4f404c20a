"""`/jobs/{id}/events`: a job's events as server-sent events (WHATWG), resumable by `Last-Event-ID`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from services.callback_gateway.http import store
from services.callback_gateway.http.jobs import Edge, JobId
from services.callback_gateway.http.problems import Refusal, answers
from services.callback_gateway.metrics import EVENT_STREAMS
from shared.errors import Unavailable

_LOOK_SECONDS = 1.0
_KEEP_ALIVE_LOOKS = 15
_PAGE = 500
_ENDS = frozenset({"job.completed", "job.completed_with_failures", "job.failed", "job.cancelled", "job.rejected"})


class Bell:
    """Rings when new events have been written by this process; others' events are found by looking."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everyone who waits."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return


def routes(edge: Edge, bell: Bell) -> APIRouter:
    """The stream of a job's events."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.get(
        "/{job_id}/events",
        summary="Follow a job",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"},
            **answers(404, 422),
        },
    )
    async def follow(job_id: JobId, last_event_id: Annotated[str, Header(max_length=40)] = "") -> StreamingResponse:
        """All events of the job from the beginning, or from the one after `Last-Event-ID`, until its end."""
        async with edge.database.transaction() as tx:
            if await store.find_job(tx, job_id) is None:
                raise Refusal(404, f"there is no job {job_id}")
        after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(edge, bell, job_id, after), media_type="text/event-stream", headers=headers)

    return router


async def _stream(edge: Edge, bell: Bell, job_id: UUID, after: int) -> AsyncIterator[bytes]:
    quiet = 0
    with EVENT_STREAMS.track_inprogress():
        while True:
            try:
                async with edge.database.transaction() as tx:
                    rows = await store.find_events(tx, job_id, after, _PAGE)
            except Unavailable:
                rows = []
            for row in rows:
                after = row["sequence"]
                yield f"id: {after}\nevent: {row['type']}\ndata: ".encode() + orjson.dumps(row["data"]) + b"\n\n"
            if rows and rows[-1]["type"] in _ENDS:
                return
            quiet = 0 if rows else quiet + 1
            if quiet >= _KEEP_ALIVE_LOOKS:
                quiet = 0
                yield b": still here\n\n"
            if len(rows) < _PAGE:
                await bell.wait(_LOOK_SECONDS)
