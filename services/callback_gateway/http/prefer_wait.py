"""`Prefer: wait=N` (RFC 7240): a request that waits for its job, and gets the vendor's own answer.

Who waits is woken by what the gateway reads of the job's events, whichever replica wrote them down.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from services.callback_gateway.http import store
from services.callback_gateway.http.access import key_of
from services.callback_gateway.http.follow import Following
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.presentation import counts_of, job_body
from services.callback_gateway.http.problems import Refusal
from services.callback_gateway.http.slots import Slots
from services.callback_gateway.metrics import WAITING_REQUESTS
from services.callback_gateway.settings import Settings
from shared.database.pool import Database, Row
from shared.errors import Problem, Rejected, Unavailable
from shared.events.payloads import Pointer
from shared.events.tasks import OUTCOME_UNKNOWN
from shared.payloads.store import PayloadStore
from shared.runtime.clock import monotonic, utc_now

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: rather wait for the end of the job, N seconds at most (RFC 7240)",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
}
_LONGEST_DIGITS = 6
_NO_BODY = frozenset({204, 205, 304})
_STATUSES = range(200, 600)
"""Statuses of answers (RFC 9110, 15). Some vendors use others, for which the server here has no status line."""
_OF_ANOTHER_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("content-encoding", "content-length", "date"),
    }
)
"""Headers that say how and when a body came from the vendor: from here it goes as it is kept, decoded, and now."""
_CONFINED = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
"""A vendor's page is shown at the gateway's address: its scripts must not run there, where no key may be needed."""


def preferred_wait(request: Request) -> float | None:
    """How long the request would rather wait, in seconds. A preference that cannot be read is none (RFC 7240)."""
    for part in ",".join(request.headers.getlist("prefer")).split(","):
        name, _, value = part.partition("=")
        digits = value.split(";")[0].strip().strip('"')
        if name.strip().lower() == "wait" and digits.isdecimal() and len(digits) <= _LONGEST_DIGITS:
            return float(digits)
    return None


class PreferWait:
    """Requests that wait for the end of a job; beyond the most that may wait at once others get their 202 at once."""

    def __init__(self, database: Database, following: Following, payloads: PayloadStore, settings: Settings) -> None:
        self._database = database
        self._following = following
        self._payloads = payloads
        self._slots = Slots(settings.gateway_waits)
        self._longest = settings.gateway_wait_seconds

    async def preferred(self, request: Request, job_id: UUID) -> Response | None:
        """The answer of the job, if the request prefers to wait for it and it comes in time. The job is durable: that
        its answer cannot be looked at now is no reason to send it again. If the client hangs up the wait ends."""
        wait, key = preferred_wait(request), key_of(request.scope)
        if wait is None or not self._slots.is_free(key):
            return None
        try:
            with self._slots.hold(key), WAITING_REQUESTS.track_inprogress():
                row = await _while_connected(request, self._end(job_id, monotonic() + min(wait, self._longest)))
            answer = await self.answer(row) if row is not None else None
        except Unavailable:
            return None
        if answer is None:
            return None
        answer.headers["Preference-Applied"] = f"wait={wait:.0f}"
        return answer

    async def _end(self, job_id: UUID, deadline: float) -> Row | None:
        """The job, if it is over before the time is."""
        with self._following.follow(job_id) as followed:
            while True:
                seen = followed.latest
                async with self._database.transaction() as tx:
                    row = await store.find_job(tx, job_id)
                if row is not None and row["ended_at"] is not None:
                    return row
                left = deadline - monotonic()
                if left <= 0 or not await followed.beyond(seen, within_seconds=left):
                    return None

    async def answer(self, row: Row) -> Response:
        """What the job came to: of a request the vendor's own answer, of any other job the job.

        Raises:
            Refusal: the specification was wrong, or a request has no answer that can be handed on.
        """
        if row["state"] == "rejected":
            mistakes = [Problem(one["pointer"], one["detail"]) for one in row["mistakes"] or ()]
            raise Refusal(422, "the specification has mistakes", mistakes)
        answer = row["answer"]
        if answer is None and row["kind"] == "request":
            raise _unanswered(row["id"], f"the request is {row['state']}", row["reason"])
        if answer is None:
            async with self._database.transaction() as tx:
                failures = await store.count_failures(tx, row)
            return json_response(job_body(row, counts_of(row), failures, utc_now()))
        return await self._vendors_answer(row, answer)

    async def _vendors_answer(self, row: Row, answer: Mapping[str, Any]) -> Response:
        status = answer.get("status")
        headers = _carried(answer.get("headers", {})) | {"sluice-job": str(row["id"])} | _CONFINED
        if status is None:
            raise _unanswered(row["id"], "the vendor did not answer", answer["reason"] or row["reason"])
        if status not in _STATUSES:
            detail = f"the vendor answered with the status {status}, which cannot be passed on"
            raise Refusal(502, detail, headers=_place_of(row["id"]))
        if answer.get("expired"):
            raise Refusal(410, "the body of this answer is no longer kept")
        if "body" not in answer or status in _NO_BODY:
            return Response(status_code=status, headers=headers)
        pointer = Pointer.model_validate(answer["body"])
        headers |= _carried({"content-type": pointer.media_type})
        return StreamingResponse(await self._open(pointer), status, headers)

    async def _open(self, pointer: Pointer) -> AsyncIterator[bytes]:
        try:
            return await self._payloads.open(pointer)
        except Rejected:
            raise Refusal(410, "the body of this answer is no longer kept") from None


async def _while_connected(request: Request, wait: Coroutine[None, None, Row | None]) -> Row | None:
    """What a wait comes to; nothing if the client hangs up before."""
    waiting, gone = asyncio.create_task(wait), asyncio.create_task(_hangs_up(request))
    try:
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        return await waiting if waiting.done() else None
    finally:
        waiting.cancel()
        gone.cancel()
        await asyncio.gather(waiting, gone, return_exceptions=True)


async def _hangs_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _unanswered(job_id: UUID, what: str, reason: str) -> Refusal:
    """A time-out is one only where the call may be made again: else what counts is that its outcome is unknown."""
    detail = f"{what}: {reason}" if reason else what
    timed_out = "timeout" in reason and not reason.startswith(OUTCOME_UNKNOWN)
    return Refusal(504 if timed_out else 502, detail, headers=_place_of(job_id))


def _place_of(job_id: UUID) -> dict[str, str]:
    return {"Location": f"/jobs/{job_id}"}


def _carried(headers: Mapping[str, str]) -> dict[str, str]:
    """The vendor's headers that can be handed on; characters that headers cannot have here become question marks."""
    return {
        name: value.encode("latin-1", errors="replace").decode("latin-1")
        for name, value in headers.items()
        if name not in _OF_ANOTHER_CONNECTION
    }
