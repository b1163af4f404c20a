"""Jobs, from the request to their end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any, Literal

import httpx

from shared.api_models import ENDS, Job, JobEvent, JobReference, Reply, Task
from shared.client.connection import ApiError, Connection, Id, given, refused
from shared.client.stream import EventParser

Action = Literal["cancel", "pause", "resume", "redrive"]

_RECONNECT_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
"""For how long the client tries to connect again after a stream of events broke."""
_NOTHING_FOLLOWS = 204
"""The job is over, and no event follows the last one."""
_PAGE = 500


class Jobs(Connection):
    """Ask for jobs, follow them, control them."""

    async def submit(self, document: Mapping[str, Any], *, idempotency_key: str | None = None) -> JobReference:
        """Ask for a job. With a key, asking again gives the same job.

        Raises:
            ApiError: with every mistake of the document.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._read(JobReference, await self._call("POST", "/jobs", json=document, headers=headers))

    async def request(self, document: Mapping[str, Any], *, wait_seconds: int) -> Reply | JobReference:
        """Have one call made, and wait for the vendor's own answer; if it takes longer, get the job to look at later.

        Raises:
            ApiError: mistakes of the document, or the vendor never answered (502, 504).
        """
        headers = {"Prefer": f"wait={wait_seconds}"}
        answer = await self._send("POST", "/jobs", json=document, headers=headers, timeout=wait_seconds + 30)
        job_id = answer.headers.get("sluice-job")
        if job_id is None:
            return self._read(JobReference, self._content(answer))
        reply = {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.content}
        return self._read(Reply, {"job_id": job_id, **reply})

    async def job(self, job_id: Id) -> Job:
        """A job as it stands."""
        return self._read(Job, await self._call("GET", f"/jobs/{job_id}"))

    async def jobs(self, *, status: str | None = None, correlation_id: Id | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs. The id of a schedule is the correlation id of all jobs of its firings."""
        return await self._list(Job, "/jobs", "jobs", status=status, correlation_id=correlation_id, limit=limit)

    async def tasks(self, job_id: Id, *, state: str | None = None) -> AsyncIterator[Task]:
        """All tasks of a job, fetched a page at a time."""
        after: int | None = None
        while True:
            parameters = given(state=state, after=after, limit=_PAGE)
            answer = await self._call("GET", f"/jobs/{job_id}/tasks", params=parameters)
            for one in self._part(answer, "tasks"):
                yield self._read(Task, one)
            after = answer.get("next")
            if after is None:
                return

    async def control(self, job_id: Id, action: Action) -> None:
        """Cancel, pause, resume or redrive a job. The planner does it soon after."""
        await self._call("POST", f"/jobs/{job_id}/{action}")

    async def cancel(self, job_id: Id) -> None:
        """End a job; what was not called yet is dropped."""
        await self.control(job_id, "cancel")

    async def pause(self, job_id: Id) -> None:
        """Release no more calls of a job."""
        await self.control(job_id, "pause")

    async def resume(self, job_id: Id) -> None:
        """Go on with a paused job."""
        await self.control(job_id, "resume")

    async def redrive(self, job_id: Id) -> None:
        """Make the failed calls of a job again, and no others."""
        await self.control(job_id, "redrive")

    async def events(self, job_id: Id) -> AsyncIterator[JobEvent]:
        """A job's events from its beginning to its end (the last one, if it was redriven). If the connection breaks,
        the client connects again for up to a minute and goes on after the last event; only the first connection must
        succeed at once. An earlier event may follow the end, if the planner died before it sent that event.

        Raises:
            ApiError: there is no such job, or no answer for too long.
        """
        last, over, ended, reached_at = "", False, False, 0.0
        while not over:
            try:
                async for event in self._stream(job_id, last):
                    last, over, reached_at = event.sequence, event.name.removeprefix("job.") in ENDS, monotonic()
                    ended = ended or over
                    yield event
                # The server closes a stream only when the job is over.
                over, reached_at = ended, monotonic()
            except ApiError as error:
                if error.status == _NOTHING_FOLLOWS:
                    return
                if error.status not in (0, 429, 502, 503, 504) or monotonic() - reached_at > _PATIENCE_SECONDS:
                    raise
            if not over:
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def wait(self, job_id: Id, *, deadline_seconds: float | None = None) -> Job:
        """The job, once it is over.

        Raises:
            TimeoutError: it is not over after `deadline_seconds`; it goes on.
        """
        async with asyncio.timeout(deadline_seconds):
            async for _ in self.events(job_id):
                pass
            return await self.job(job_id)

    async def _stream(self, job_id: Id, last: str) -> AsyncIterator[JobEvent]:
        parser = EventParser()
        try:
            async with self._http.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": last}) as answer:
                if answer.is_redirect:
                    raise self._elsewhere(answer)
                if answer.status_code != 200:
                    raise refused(answer.status_code, await answer.aread())
                async for chunk in answer.aiter_bytes():
                    for event in parser.feed(chunk):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise self._strange() from None
