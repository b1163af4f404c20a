"""`/jobs`: ask for one, follow it, control it."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.callback_gateway.http import store
from services.callback_gateway.http.answers import json_answer
from services.callback_gateway.http.arrivals import Arrivals
from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.description import Jobs, Tasks, document
from services.callback_gateway.http.presentation import job_body, task_body
from services.callback_gateway.http.problems import Refusal, answers
from services.callback_gateway.http.waiting import Waiting
from services.callback_gateway.known import Known
from services.callback_gateway.redrive.store import await_jobs
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.client.models import Job, JobReference
from shared.database.pool import Database
from shared.errors import Invalid, Problem, Unavailable
from shared.events.catalogue import JOBS_CONTROL, JOBS_REQUESTED
from shared.events.jobs import JobControl, JobRequested, JobState
from shared.events.tasks import TaskState
from shared.ids import derived_id, new_id
from shared.messaging.handler import outgoing
from shared.payloads.store import PayloadStore
from shared.specification.addresses import is_public, literal_address
from shared.specification.job import DeliverJob, InvokeJob, JobSpecification, RequestJob, UrlJob
from shared.specification.parse import parse

SPECIFICATION: TypeAdapter[Any] = TypeAdapter(JobSpecification)
_LONGEST_KEY = 255
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeat a request with the same key and body, and it is the same job",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[ -~]*$"},
}
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: rather wait for the end of the job, N seconds at most (RFC 7240)",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
}
EXAMPLES = (
    {"url": "https://api.example/items"},
    {"source": "acme-orders", "parameters": {"region": "eu"}},
    {"vendor": "acme", "poll": {"request": {"path": "/orders"}, "pages": {"style": "offset", "total": "body.total"}}},
    {
        "vendor": "acme",
        "request": {"method": "POST", "path": "/quote", "json": {"sku": 7}},
        "answer": {"headers": ["etag"]},
    },
    {
        "vendor": "acme",
        "invoke": {
            "submit": {"method": "POST", "path": "/reports", "json": {"callback_url": "{callback.url}"}},
            "deadline": "2h",
        },
        "input": [{"month": "2026-01"}, {"month": "2026-02"}],
    },
)
ACCEPTED_HEADERS = {
    "Location": {"description": "The job", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which a look is worth it", "schema": {"type": "integer"}},
}

JobId = Annotated[UUID, Path(description="the job's id")]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]


@dataclass(frozen=True)
class Edge:
    """What the routes work with."""

    settings: Settings
    database: Database
    outbound: Outbound
    known: Known
    arrivals: Arrivals
    payloads: PayloadStore


def routes(edge: Edge, waiting: Waiting) -> APIRouter:  # noqa: C901 - a table of routes
    """The routes under `/jobs`."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.post(
        "",
        status_code=202,
        summary="Ask for a job",
        responses={
            202: {"model": JobReference, "headers": ACCEPTED_HEADERS},
            200: {
                "model": Job,
                "description": "With `Prefer: wait`: the job is over. Of a request: the vendor's answer",
            },
            "default": {"description": "With `Prefer: wait`: the status, headers and body of the vendor's own answer"},
            **answers(400, 408, 413, 415, 422, 502, 504),
        },
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY, PREFER],
            "requestBody": document("JobSpecification", *EXAMPLES),
        },
    )
    async def submit(request: Request) -> Response:
        """Check a job specification, make it durable, answer with the job's place. All mistakes are told at once.
        With `Prefer: wait=N` the answer comes when the job is over, if that is within N seconds."""
        body, found = await read_json_body(request, edge.settings)
        job = parse(SPECIFICATION, found)
        await check(edge, job)
        wanted = job.id or new_id()
        key = idempotency_key(request)
        replayed = False
        if key is not None:
            wanted, replayed = await claim(edge, key, hashlib.sha256(body).digest(), wanted)
        await _request(edge, wanted, found)
        answer = await waiting.preferred(request, wanted) or _accepted(wanted, _kind_of(job))
        if replayed:
            answer.headers["Idempotency-Replayed"] = "true"
        return answer

    @router.get("", summary="List jobs, newest first", responses={200: {"model": Jobs}, **answers(422)})
    async def list_jobs(
        status: Annotated[JobState | None, Query(description="only jobs in this state")] = None,
        limit: Limit = 50,
        after: UUID | None = None,
    ) -> Response:
        """Jobs, a page at a time; `next` is the `after` of the next page."""
        async with edge.database.transaction() as tx:
            rows = await store.find_jobs(tx, status, after, limit)
        following = str(rows[-1]["id"]) if len(rows) == limit else None
        answer = json_answer({"jobs": [job_body(row, {}, []) for row in rows], "next": following})
        if following:
            only = f"&status={status.value}" if status else ""
            answer.headers["Link"] = f'</jobs?after={following}&limit={limit}{only}>; rel="next"'
        return answer

    @router.get("/{job_id}", summary="A job as it stands", responses={200: {"model": Job}, **answers(404)})
    async def show_job(job_id: JobId) -> Response:
        """Status, counts, progress, completeness and failures of a job."""
        async with edge.database.transaction() as tx:
            row = await store.find_job(tx, job_id)
            if row is None:
                raise Refusal(404, f"there is no job {job_id}")
            counts = await store.count_tasks(tx, job_id)
            failures = await store.count_failures(tx, job_id)
        return json_answer(job_body(row, counts, failures))

    @router.get("/{job_id}/tasks", summary="A job's tasks", responses={200: {"model": Tasks}, **answers(404, 422)})
    async def list_tasks(
        job_id: JobId,
        state: Annotated[TaskState | None, Query(description="only tasks in this state")] = None,
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

    @router.post(
        "/{job_id}/{action}",
        status_code=202,
        summary="Control a job",
        responses={202: {"model": JobReference, "headers": ACCEPTED_HEADERS}, **answers(404)},
    )
    async def control(job_id: JobId, action: Literal["cancel", "pause", "resume", "redrive"]) -> Response:
        """Cancel, pause or resume a job, or redrive its failed tasks."""
        async with edge.database.transaction() as tx:
            if await store.find_job(tx, job_id) is None:
                raise Refusal(404, f"there is no job {job_id}")
            if action == "redrive":
                await await_jobs(tx, [job_id])
        event = JobControl(job_id=job_id, action=action, reason="by request")
        await edge.outbound.send([outgoing(JOBS_CONTROL, job_id, event)], in_order=True)
        return _accepted(job_id)

    return router


async def check(edge: Edge, job: Any) -> None:
    """See what can be known of a job without asking anyone else.

    Raises:
        Invalid: it names what nobody has configured, or an address that is not public.
    """
    if isinstance(job, UrlJob):
        address = literal_address(urlsplit(job.url).hostname or "")
        if address is not None and not is_public(address):
            raise Invalid([Problem("/url", "expected a public address; private ones need a vendor that allows them")])
        return
    try:
        missing = await edge.known.missing(job)
    except Unavailable:
        return  # the planner checks again; a database that is away is no reason to refuse what the broker can keep
    if missing is not None:
        raise Invalid([missing])


async def claim(edge: Edge, key: str, fingerprint: bytes, wanted: UUID) -> tuple[UUID, bool]:
    """The job of an idempotency key: the unique index decides who came first. The first job may be asked for again,
    in case its request never reached the broker; the planner drops what it has had."""
    async with edge.database.transaction() as tx:
        claim = await store.claim_key(tx, key, fingerprint, wanted)
    if claim.fingerprint != fingerprint:
        raise Refusal(422, "this Idempotency-Key was used with another body")
    return claim.job_id, claim.replayed


async def _request(edge: Edge, job_id: UUID, document: dict[str, Any]) -> None:
    """Durable first, then visible."""
    event = JobRequested.model_validate({**document, "id": job_id})
    await edge.outbound.send([outgoing(JOBS_REQUESTED, job_id, event, id=derived_id("job.requested", job_id))])
    await edge.arrivals.show(job_id)


def idempotency_key(request: Request) -> str | None:
    """The request's own key, if it has one.

    Raises:
        Refusal: it is none that can be kept.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal(400, f"Idempotency-Key: expected 1 to {_LONGEST_KEY} printable ASCII characters")
    return key


def _kind_of(job: Any) -> str:
    match job:
        case InvokeJob():
            return "invoke"
        case RequestJob():
            return "request"
        case DeliverJob():
            return "deliver"
        case _:
            return "poll"


def _accepted(job_id: UUID, kind: str = "poll") -> Response:
    place = f"/jobs/{job_id}"
    links = {"self": place, "tasks": f"{place}/tasks", "events": f"{place}/events"}
    body = orjson.dumps({"id": str(job_id), "kind": kind, "status": "requested", "links": links})
    return Response(body, 202, headers={"Location": place, "Retry-After": "1"}, media_type="application/json")
