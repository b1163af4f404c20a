"""The client. One method for each operation of the API; errors carry the server's problem document."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from shared.client.models import (
    ENDS,
    DeadLetter,
    Job,
    JobEvent,
    JobReference,
    LettersAffected,
    Reply,
    ScheduleReference,
    StandingSchedule,
    Task,
    WholeDeadLetter,
)
from shared.client.stream import EventParser
from shared.errors import Problem, SluiceError

M = TypeVar("M", bound=BaseModel)

Action = Literal["cancel", "pause", "resume", "redrive"]
Kind = Literal["vendors", "sources", "hooks"]
ScheduleAction = Literal["pause", "resume", "trigger"]
Id = UUID | str

LOCAL = "http://127.0.0.1:8080"
_TIMEOUT = httpx.Timeout(30.0, read=60.0)
_RECONNECT_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
"""A stream of events that broke is taken up again for so long."""
_PAGE = 500


class LetterFilter(TypedDict, total=False):
    """Which dead letters: all that fit every field given. `since` is included, `until` is not."""

    service: str
    topic: str
    reason: str
    job_id: Id
    since: datetime | str
    until: datetime | str


class ApiError(SluiceError):
    """The API refused a request (`status`, `title`, `detail`, `errors` with pointers), or does not answer (0)."""

    def __init__(self, status: int, detail: str, errors: tuple[Problem, ...] = (), *, title: str = "") -> None:
        lines = [detail or title, *(f"  {error.pointer or '/'}: {error.detail}" for error in errors)]
        super().__init__("\n".join(lines))
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors


class SluiceClient:
    """Talks to a gateway. Use it as `async with SluiceClient(url) as client`."""

    def __init__(
        self, url: str = LOCAL, *, api_key: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Connects on first use.

        Raises:
            ApiError: `url` is no address.
        """
        self._url = url
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            if httpx.URL(url).scheme not in ("http", "https") or not httpx.URL(url).host:
                raise httpx.InvalidURL("no scheme or host")
        except httpx.InvalidURL:
            raise ApiError(0, f"expected an address such as {LOCAL}, got {url}") from None
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False, transport=transport
        )

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
        return self._read(JobReference, await self._call("POST", "/jobs", json=document, headers=headers))

    async def request(self, document: Mapping[str, Any], *, wait_seconds: int) -> Reply | JobReference:
        """Have one call made, and wait for the vendor's own answer; if it takes longer, get the job to look at later.

        Raises:
            ApiError: mistakes of the document, or the vendor never answered (502, 504).
        """
        headers = {"Prefer": f"wait={wait_seconds}"}
        try:
            answer = await self._http.post("/jobs", json=document, headers=headers, timeout=wait_seconds + 30)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        job_id = answer.headers.get("sluice-job")
        if job_id is not None:
            return Reply(
                job_id=UUID(job_id), status=answer.status_code, headers=dict(answer.headers), body=answer.content
            )
        if answer.status_code != 202:
            raise _refused(answer.status_code, answer.content)
        return self._read(JobReference, answer.json())

    async def job(self, job_id: Id) -> Job:
        """A job as it stands."""
        return self._read(Job, await self._call("GET", f"/jobs/{job_id}"))

    async def jobs(self, *, status: str | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs."""
        return await self._list(Job, "/jobs", "jobs", status=status, limit=limit)

    async def tasks(self, job_id: Id, *, state: str | None = None) -> AsyncIterator[Task]:
        """All tasks of a job, fetched a page at a time."""
        after: int | None = None
        while True:
            parameters = _given(state=state, after=after, limit=_PAGE)
            answer = await self._call("GET", f"/jobs/{job_id}/tasks", params=parameters)
            for one in self._part(answer, "tasks"):
                yield self._read(Task, one)
            after = answer.get("next")
            if after is None:
                return

    async def control(self, job_id: Id, action: Action) -> None:
        """Cancel, pause, resume or redrive a job: told to the planner, done soon after."""
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
        """A job's events from its beginning to its end (the last one, if it was redriven). A connection that breaks
        is taken up behind the last event, for a minute; only the first must come about at once.

        Raises:
            ApiError: there is no such job, or no answer for too long.
        """
        last, over, reached_at = "", False, 0.0
        while not over:
            try:
                async for event in self._stream(job_id, last):
                    last, over, reached_at = event.sequence, event.name.removeprefix("job.") in ENDS, monotonic()
                    yield event
                reached_at = monotonic()
            except ApiError as error:
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

    async def put(self, kind: Kind, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace a vendor, source or hook; gives it as it is in force."""
        return self._read_document(await self._call("PUT", f"/{kind}/{name}", json=document))

    async def get(self, kind: Kind, name: str) -> dict[str, Any]:
        """A vendor, source or hook."""
        return self._read_document(await self._call("GET", f"/{kind}/{name}"))

    async def delete(self, kind: Kind, name: str) -> None:
        """Delete a vendor, source or hook."""
        await self._call("DELETE", f"/{kind}/{name}")

    async def list_all(self, kind: Kind) -> list[dict[str, Any]]:
        """All vendors, sources or hooks."""
        found = self._part(await self._call("GET", f"/{kind}"), kind)
        return [self._read_document(one) for one in found]

    async def schedule(self, document: Mapping[str, Any], *, idempotency_key: str | None = None) -> ScheduleReference:
        """Schedule something; a document with a known name replaces the schedule of that name.

        Raises:
            ApiError: with every mistake of the document.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._read(ScheduleReference, await self._call("POST", "/schedules", json=document, headers=headers))

    async def find_schedule(self, schedule: Id) -> StandingSchedule:
        """A schedule by its id or name, with its next times and the verdicts of its firings."""
        return self._read(StandingSchedule, await self._call("GET", f"/schedules/{schedule}"))

    async def schedules(self, *, status: str | None = None, limit: int = 50) -> list[StandingSchedule]:
        """The newest schedules; without a status all but those that are removed."""
        return await self._list(StandingSchedule, "/schedules", "schedules", status=status, limit=limit)

    async def control_schedule(self, schedule: Id, action: ScheduleAction) -> ScheduleReference:
        """Pause, resume or trigger a schedule: told to the scheduler, done soon after."""
        return self._read(ScheduleReference, await self._call("POST", f"/schedules/{schedule}/{action}"))

    async def remove_schedule(self, schedule: Id) -> ScheduleReference:
        """Remove a schedule; what it has started goes on."""
        return self._read(ScheduleReference, await self._call("DELETE", f"/schedules/{schedule}"))

    async def dead_letters(
        self, *, state: str | None = None, limit: int = 50, **wanted: Unpack[LetterFilter]
    ) -> list[DeadLetter]:
        """The newest dead letters that fit."""
        return await self._list(
            DeadLetter, "/dead-letters", "dead_letters", **_letter_filter(wanted), state=state, limit=limit
        )

    async def find_dead_letter(self, letter: Id) -> WholeDeadLetter:
        """A dead letter with its history and the message as it came."""
        return self._read(WholeDeadLetter, await self._call("GET", f"/dead-letters/{letter}"))

    async def redrive_letter(self, letter: Id, *, force: bool = False) -> LettersAffected:
        """Send an open dead letter again; by `force` even one that came back three times."""
        parameters = {"force": "true"} if force else {}
        answer = await self._call("POST", f"/dead-letters/{letter}/redrive", params=parameters)
        return self._read(LettersAffected, answer)

    async def redrive_letters(
        self, wanted: LetterFilter, *, dry_run: bool = False, rate: float = 50.0, force: bool = False
    ) -> LettersAffected:
        """Send all open dead letters that fit again, at most `rate` a second, or only see how many there are."""
        order = {"filter": _letter_filter(wanted), "dry_run": dry_run, "rate": rate, "force": force}
        return self._read(LettersAffected, await self._call("POST", "/dead-letters/redrive", json=order))

    async def discard_letter(self, letter: Id, reason: str) -> LettersAffected:
        """Put an open dead letter away."""
        answer = await self._call("POST", f"/dead-letters/{letter}/discard", json={"reason": reason})
        return self._read(LettersAffected, answer)

    async def discard_letters(self, wanted: LetterFilter, reason: str, *, dry_run: bool = False) -> LettersAffected:
        """Put all open dead letters that fit away, or only see how many there are."""
        order = {"filter": _letter_filter(wanted), "reason": reason, "dry_run": dry_run}
        return self._read(LettersAffected, await self._call("POST", "/dead-letters/discard", json=order))

    async def _list(self, model: type[M], path: str, part: str, **parameters: object) -> list[M]:
        answer = await self._call("GET", path, params=_given(**parameters))
        return [self._read(model, one) for one in self._part(answer, part)]

    async def _stream(self, job_id: Id, last: str) -> AsyncIterator[JobEvent]:
        parser = EventParser()
        try:
            async with self._http.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": last}) as answer:
                if answer.status_code != 200:
                    raise _refused(answer.status_code, await answer.aread())
                async for chunk in answer.aiter_bytes():
                    for event in parser.feed(chunk):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise self._strange() from None

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        if answer.status_code >= 400:
            raise _refused(answer.status_code, answer.content)
        try:
            return from_json(answer.content) if answer.content else None
        except ValueError:
            raise self._strange() from None

    def _read(self, model: type[M], value: object) -> M:
        try:
            return model.model_validate(value)
        except ValidationError:
            raise self._strange() from None

    def _read_document(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._strange()
        return value

    def _part(self, answer: object, name: str) -> list[object]:
        part = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(part, list):
            raise self._strange()
        return part

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        told = f"no answer from {self._url} ({type(error).__name__})"
        return ApiError(0, f"{told}; make up starts it, SLUICE_URL says where it is")

    def _strange(self) -> ApiError:
        return ApiError(200, f"{self._url} answers, but not as Sluice does; is it the gateway's address?")


def _letter_filter(wanted: LetterFilter) -> dict[str, str]:
    """The fields by the names of the API."""
    named: dict[str, object] = dict(wanted)
    if "since" in named:
        named["from"] = named.pop("since")
    if "until" in named:
        named["to"] = named.pop("until")
    return _given(**named)


def _given(**parameters: object) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _refused(status: int, body: bytes) -> ApiError:
    """The server's problem document (RFC 9457), as far as it is one."""
    try:
        document = from_json(body)
        errors = tuple(Problem(one["pointer"], one["detail"]) for one in document.get("errors", ()))
        title, detail = str(document.get("title", "")), str(document.get("detail", ""))
    except (ValueError, AttributeError, KeyError, TypeError):
        return ApiError(status, f"the server answered {status}")
    return ApiError(status, detail or f"the server answered {status}", errors, title=title)
