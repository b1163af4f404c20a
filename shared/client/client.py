"""The client. One method for each operation of the API; errors carry the server's problem document."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

import httpx
import orjson

from shared.client.models import ENDS, DeadLetter, Job, JobEvent, JobReference, Task
from shared.errors import Problem, SluiceError

Action = Literal["cancel", "pause", "resume", "redrive"]
Kind = Literal["vendors", "sources"]

_TIMEOUT = httpx.Timeout(30.0, read=60.0)
_RECONNECT_SECONDS = 0.5


class ApiError(SluiceError):
    """The API refused a request, or does not answer (`status` 0)."""

    def __init__(self, status: int, detail: str, errors: tuple[Problem, ...] = ()) -> None:
        lines = [detail, *(f"  {error.pointer or '/'}: {error.detail}" for error in errors)]
        super().__init__("\n".join(lines))
        self.status = status
        self.detail = detail
        self.errors = errors


class SluiceClient:
    """Talks to a gateway. Use it as `async with SluiceClient(url) as client`."""

    def __init__(
        self, url: str = "http://127.0.0.1:8080", *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def submit(self, document: Mapping[str, Any], *, idempotency_key: str | None = None) -> JobReference:
        """Ask for a job. With a key, asking again gives the same job.

        Raises:
            ApiError: with every mistake of the document.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return JobReference.model_validate(await self._call("POST", "/jobs", json=document, headers=headers))

    async def job(self, job_id: UUID | str) -> Job:
        """A job as it stands."""
        return Job.model_validate(await self._call("GET", f"/jobs/{job_id}"))

    async def jobs(self, *, status: str | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs."""
        answer = await self._call("GET", "/jobs", params=_given(status=status, limit=limit))
        return [Job.model_validate(one) for one in answer["jobs"]]

    async def tasks(self, job_id: UUID | str, *, state: str | None = None) -> AsyncIterator[Task]:
        """All tasks of a job, fetched a page at a time."""
        after: int | None = None
        while True:
            answer = await self._call(
                "GET", f"/jobs/{job_id}/tasks", params=_given(state=state, after=after, limit=500)
            )
            for one in answer["tasks"]:
                yield Task.model_validate(one)
            after = answer["next"]
            if after is None:
                return

    async def control(self, job_id: UUID | str, action: Action) -> None:
        """Cancel, pause, resume or redrive a job."""
        await self._call("POST", f"/jobs/{job_id}/{action}")

    async def events(self, job_id: UUID | str) -> AsyncIterator[JobEvent]:
        """A job's events from its beginning to its end (the last one, if it was redriven); takes up the thread by
        itself when the connection breaks."""
        last, over = "", False
        while not over:
            try:
                async with self._http.stream(
                    "GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": last}
                ) as answer:
                    if answer.status_code != 200:
                        raise _refused(answer.status_code, await answer.aread())
                    async for event in _read_events(answer):
                        last, over = event.sequence, event.name.removeprefix("job.") in ENDS
                        yield event
            except httpx.TransportError:
                await self.job(job_id)
            if not over:
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def wait(self, job_id: UUID | str) -> Job:
        """The job, once it is over. Bound it with `asyncio.timeout`."""
        async for _ in self.events(job_id):
            pass
        return await self.job(job_id)

    async def put(self, kind: Kind, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace a vendor or source."""
        answer: dict[str, Any] = await self._call("PUT", f"/{kind}/{name}", json=document)
        return answer

    async def get(self, kind: Kind, name: str) -> dict[str, Any]:
        """A vendor or source."""
        answer: dict[str, Any] = await self._call("GET", f"/{kind}/{name}")
        return answer

    async def delete(self, kind: Kind, name: str) -> None:
        """Delete a vendor or source."""
        await self._call("DELETE", f"/{kind}/{name}")

    async def dead_letters(self, *, job_id: UUID | str | None = None, limit: int = 50) -> list[DeadLetter]:
        """The newest dead letters."""
        answer = await self._call("GET", "/dead-letters", params=_given(job_id=job_id, limit=limit))
        return [DeadLetter.model_validate(one) for one in answer["dead_letters"]]

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ApiError(0, f"no answer from {self._url} ({type(error).__name__}); is it running? make up") from None
        if answer.status_code >= 400:
            raise _refused(answer.status_code, answer.content)
        return orjson.loads(answer.content) if answer.content else None


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _refused(status: int, body: bytes) -> ApiError:
    try:
        document = orjson.loads(body)
        errors = tuple(Problem(one["pointer"], one["detail"]) for one in document.get("errors", ()))
        return ApiError(status, str(document.get("detail", "")), errors)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return ApiError(status, f"the server answered {status}")


async def _read_events(answer: httpx.Response) -> AsyncIterator[JobEvent]:
    """Server-sent events from the lines of a response."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield JobEvent(
                name=fields.get("event", ""), sequence=fields.get("id", ""), data=orjson.loads(fields["data"])
            )
            fields = {}
        else:
            fields = {}
