"""`/jobs`: ask for one, follow it, control it."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.callback_gateway.http import store
from services.callback_gateway.http.answers import json_answer
from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.presentation import job_body, task_body
from services.callback_gateway.http.problems import Refusal, answers
from services.callback_gateway.known import Known
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.errors import Invalid, Problem, Unavailable
from shared.events.catalogue import JOBS_CONTROL, JOBS_REQUESTED
from shared.events.jobs import JobControl, JobRequested
from shared.ids import derived_id, new_id
from shared.messaging.handler import outgoing
from shared.specification.addresses import is_public, literal_address
from shared.specification.job import JobSpecification, UrlJob
from shared.specification.parse import parse

SPECIFICATION: TypeAdapter[Any] = TypeAdapter(JobSpecification)
_LONGEST_KEY = 255

JobId = Annotated[UUID, Path(description="the job's id")]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]


@dataclass(frozen=True)
class Edge:
    """What the routes work with."""

    settings: Settings
    database: Database
    outbound: Outbound
    known: Known


def routes(edge: Edge) -> APIRouter:  # noqa: C901 - a table of routes
    """The routes under `/jobs`."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.post(
        "",
        status_code=202,
        summary="Ask for a job",
        responses=answers(400, 408, 413, 415, 422),
        openapi_extra={
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "schema": {"type": "string", "maxLength": 255},
                }
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"type": "object"}, "example": {"url": "https://host/items"}}
                },
            },
        },
    )
    async def submit(request: Request) -> Response:
        """Check a job specification, make it durable, answer with the job's place. All mistakes are told at once."""
        body, document = await read_json_body(request, edge.settings)
        job = parse(SPECIFICATION, document)
        await _check(edge, job)
        wanted = job.id or new_id()
        key = _idempotency_key(request)
        replayed = False
        if key is not None:
            wanted, replayed = await _claim(edge, key, hashlib.sha256(body).digest(), wanted)
        await _request(edge, wanted, document)
        answer = _accepted(wanted)
        if replayed:
            answer.headers["Idempotency-Replayed"] = "true"
        return answer

    @router.get("", summary="List jobs, newest first", responses=answers(422))
    async def list_jobs(
        status: Annotated[str | None, Query(max_length=40)] = None, limit: Limit = 50, after: UUID | None = None
    ) -> Response:
        """Jobs, a page at a time; `next` is the `after` of the next page."""
        async with edge.database.transaction() as tx:
            rows = await store.find_jobs(tx, status, after, limit)
        following = str(rows[-1]["id"]) if len(rows) == limit else None
        answer = json_answer({"jobs": [job_body(row, {}, []) for row in rows], "next": following})
        if following:
            answer.headers["Link"] = f'</jobs?after={following}&limit={limit}>; rel="next"'
        return answer

    @router.get("/{job_id}", summary="A job as it stands", responses=answers(404))
    async def show_job(job_id: JobId) -> Response:
        """Status, counts, progress, completeness and failures of a job."""
        async with edge.database.transaction() as tx:
            row = await store.find_job(tx, job_id)
            if row is None:
                raise Refusal(404, f"there is no job {job_id}")
            counts = await store.count_tasks(tx, job_id)
            failures = await store.count_failures(tx, job_id)
        return json_answer(job_body(row, counts, failures))

    @router.get("/{job_id}/tasks", summary="A job's tasks", responses=answers(404, 422))
    async def list_tasks(
        job_id: JobId,
        state: Annotated[str | None, Query(max_length=40)] = None,
        limit: Limit = 100,
        after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
    ) -> Response:
        """Tasks in the order of their numbers, each with its attempts and the times of its states."""
        async with edge.database.transaction() as tx:
            if await store.find_job(tx, job_id) is None:
                raise Refusal(404, f"there is no job {job_id}")
            rows = await store.find_tasks(tx, job_id, state, after, limit)
        following = rows[-1]["number"] if len(rows) == limit else None
        return json_answer({"tasks": [task_body(row) for row in rows], "next": following})

    @router.post("/{job_id}/{action}", status_code=202, summary="Control a job", responses=answers(404))
    async def control(job_id: JobId, action: Literal["cancel", "pause", "resume", "redrive"]) -> Response:
        """Cancel, pause or resume a job, or redrive its failed tasks."""
        async with edge.database.transaction() as tx:
            if await store.find_job(tx, job_id) is None:
                raise Refusal(404, f"there is no job {job_id}")
        event = JobControl(job_id=job_id, action=action, reason="by request")
        await edge.outbound.send([outgoing(JOBS_CONTROL, job_id, event)])
        return _accepted(job_id)

    return router


async def _check(edge: Edge, job: Any) -> None:
    if isinstance(job, UrlJob):
        host = job.url.split("//", 1)[1].split("/", 1)[0].split("?", 1)[0]
        address = literal_address(host.rsplit(":", 1)[0] if not host.endswith("]") else host)
        if address is not None and not is_public(address):
            raise Invalid([Problem("/url", "expected a public address; private ones need a vendor that allows them")])
        return
    try:
        missing = await edge.known.missing(job)
    except Unavailable:
        return  # the planner checks again; a database that is away is no reason to refuse what the broker can keep
    if missing is not None:
        raise Invalid([missing])


async def _claim(edge: Edge, key: str, fingerprint: bytes, wanted: UUID) -> tuple[UUID, bool]:
    """The job of an idempotency key: the unique index decides who came first. The first job may be asked for again,
    in case its request never reached the broker; the planner drops what it has had."""
    async with edge.database.transaction() as tx:
        row = await store.claim_key(tx, key, fingerprint, wanted)
    if row["fingerprint"] != fingerprint:
        raise Refusal(422, "this Idempotency-Key was used with another body")
    return row["job_id"], row["job_id"] != wanted


async def _request(edge: Edge, job_id: UUID, document: dict[str, Any]) -> None:
    """Durable first, then visible; the view comes by itself from the planner's events if the database is away."""
    event = JobRequested.model_validate({**document, "id": job_id})
    await edge.outbound.send([outgoing(JOBS_REQUESTED, job_id, event, id=derived_id("job.requested", job_id))])
    try:
        async with edge.database.transaction() as tx:
            await store.insert_job(tx, job_id)
    except Unavailable:
        return


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal(400, f"Idempotency-Key: expected 1 to {_LONGEST_KEY} printable ASCII characters")
    return key


def _accepted(job_id: UUID) -> Response:
    place = f"/jobs/{job_id}"
    links = {"self": place, "tasks": f"{place}/tasks", "events": f"{place}/events"}
    body = orjson.dumps({"id": str(job_id), "kind": "poll", "status": "requested", "links": links})
    return Response(body, 202, headers={"Location": place, "Retry-After": "1"}, media_type="application/json")
