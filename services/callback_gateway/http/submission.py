"""A new job, from the request to its place: checked, durable, visible."""

import hashlib
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.body_budget import body_share
from services.callback_gateway.http.checks import check
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.idempotency import idempotency_key, is_known, use_key
from services.callback_gateway.http.new_jobs import NewJob
from services.callback_gateway.http.parameters import refuse_parameters
from shared.errors import Invalid, Unavailable
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.jobs import JobRequested
from shared.ids import derived_id, new_id
from shared.messaging.handler import outgoing
from shared.specification.placeholders import read_job

_JOB = "job\n"
"""No name of a request's own key begins like that."""


async def submit_job(context: ApiContext, request: Request) -> Response:
    """Check a job specification, make it durable, answer with the job's place. The answer lists all mistakes. With
    `Prefer: wait=N` the answer comes when the job is over, if that is within N seconds."""
    job_id, kind, replayed = await _accept(context, request)
    body_share(request.scope).release()
    answer = await context.prefer_wait.preferred(request, job_id) or accepted(job_id, kind)
    if replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


async def _accept(context: ApiContext, request: Request) -> tuple[UUID, str, bool]:
    """The job's id, its kind, and whether it was asked for before. Its body is forgotten with the return: who waits for
    a job holds none."""
    refuse_parameters(request)
    body, found = await read_json_body(request, context.settings)
    job = read_job(found)
    job_id, fingerprint = job.id or new_id(), hashlib.sha256(body).digest()
    key = idempotency_key(request)
    try:
        await check(context, job)
    except Invalid:
        # A repetition gets its job, also where the source or vendor was removed meanwhile.
        known_by = key or (f"{_JOB}{job.id}" if job.id else None)
        if known_by is None or not await is_known(context, known_by, fingerprint):
            raise
    replayed = job.id is not None and await _is_repeated(context, job.id, fingerprint)
    if key is not None:
        job_id, _, replayed = await use_key(context, key, fingerprint, job_id)
    kind = context.configuration.kind_of(job)
    await _request(context, job_id, kind, found)
    return job_id, kind, replayed


async def _is_repeated(context: ApiContext, job_id: UUID, fingerprint: bytes) -> bool:
    """Whether a job that brings its id was asked for before. Consumers go by the id alone: another document under it
    would be dropped in silence. A database that is away is no reason to refuse it."""
    try:
        use = await use_key(context, f"{_JOB}{job_id}", fingerprint, job_id, "id")
    except Unavailable:
        return False
    return use.replayed


async def _request(context: ApiContext, job_id: UUID, kind: str, document: dict[str, Any]) -> None:
    event = JobRequested.model_validate({**document, "id": job_id})
    message = outgoing(JOBS_REQUESTED, job_id, event, id=derived_id("job.requested", job_id))
    await context.new_jobs.take(NewJob(job_id, kind, message))


def accepted(job_id: UUID, kind: str) -> Response:
    """The answer to a job that is kept: its place, and when a look is worth it."""
    place = f"/jobs/{job_id}"
    links = {"self": place, "tasks": f"{place}/tasks", "events": f"{place}/events"}
    body = orjson.dumps({"id": str(job_id), "kind": kind, "status": "requested", "links": links})
    return Response(body, 202, headers={"Location": place, "Retry-After": "1"}, media_type="application/json")
