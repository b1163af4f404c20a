"""`/jobs`: ask for one, follow it, control it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.description import Jobs, Tasks, document
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.presentation import failures_of, job_body, task_body
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.submission import IDEMPOTENCY_KEY, PREFER, Submission, accepted
from services.callback_gateway.redrive.store import await_jobs
from shared.answers import Job, JobReference
from shared.database.pool import Row
from shared.events.catalogue import JOBS_CONTROL
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.messaging.handler import outgoing
from shared.runtime.clock import utc_now

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
Action = Literal["cancel", "pause", "resume", "redrive"]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]


def routes(context: ApiContext, submission: Submission) -> APIRouter:
    """The routes under `/jobs`."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])
    _asking(router, submission)
    _reading(router, context)
    _ordering(router, context)
    return router


def _asking(router: APIRouter, submission: Submission) -> None:
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
            **problem_responses(400, 408, 413, 415, 422, 502, 504),
        },
        openapi_extra={
            "parameters": [IDEMPOTENCY_KEY, PREFER],
            "requestBody": document("JobSpecification", *EXAMPLES),
        },
    )
    async def submit(request: Request) -> Response:
        """Check a job specification, make it durable, answer with the job's place. All mistakes are told at once.
        With `Prefer: wait=N` the answer comes when the job is over, if that is within N seconds."""
        return await submission.answer(request)


def _reading(router: APIRouter, context: ApiContext) -> None:
    @router.get("", summary="List jobs, newest first", responses={200: {"model": Jobs}, **problem_responses(422)})
    async def list_jobs(
        status: Annotated[JobState | None, Query(description="only jobs in this state")] = None,
        limit: Limit = 50,
        after: UUID | None = None,
    ) -> Response:
        """Jobs, a page at a time; `next` is the `after` of the next page."""
        async with context.database.transaction() as tx:
            rows = await store.find_jobs(tx, status, after, limit)
        following, now = str(rows[-1]["id"]) if len(rows) == limit else None, utc_now()
        answer = json_response({"jobs": [job_body(row, {}, failures_of(row), now) for row in rows], "next": following})
        if following:
            only = f"&status={status.value}" if status else ""
            answer.headers["Link"] = f'</jobs?after={following}&limit={limit}{only}>; rel="next"'
        return answer

    @router.get("/{job_id}", summary="A job as it stands", responses={200: {"model": Job}, **problem_responses(404)})
    async def show_job(job_id: JobId) -> Response:
        """Status, counts, progress, completeness and failures of a job."""
        async with context.database.transaction() as tx:
            row = await store.find_job(tx, job_id)
            if row is None:
                raise Refusal(404, f"there is no job {job_id}")
            counts = await store.count_tasks(tx, row)
            failures = await store.count_failures(tx, row)
        return json_response(job_body(row, counts, failures, utc_now()))

    @router.get(
        "/{job_id}/tasks", summary="A job's tasks", responses={200: {"model": Tasks}, **problem_responses(404, 422)}
    )
    async def list_tasks(
        job_id: JobId,
        state: Annotated[TaskState | None, Query(description="only tasks in this state")] = None,
        limit: Limit = 100,
        after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
    ) -> Response:
        """Tasks in the order of their numbers, each with its attempts and the times of its states."""
        async with context.database.transaction() as tx:
            if await store.find_job(tx, job_id) is None:
                raise Refusal(404, f"there is no job {job_id}")
            rows = await store.find_tasks(tx, job_id, state, after, limit)
        following = rows[-1]["number"] if len(rows) == limit else None
        return json_response({"tasks": [task_body(row) for row in rows], "next": following})


def _ordering(router: APIRouter, context: ApiContext) -> None:
    @router.post(
        "/{job_id}/{action}",
        status_code=202,
        summary="Control a job",
        responses={202: {"model": JobReference, "headers": ACCEPTED_HEADERS}, **problem_responses(404, 409)},
    )
    async def control(job_id: JobId, action: Action) -> Response:
        """Cancel, pause or resume a job, or redrive its failed tasks."""
        async with context.database.transaction() as tx:
            row = await store.find_job(tx, job_id)
            if row is None:
                raise Refusal(404, f"there is no job {job_id}")
            _check_order(row, action)
            if action == "redrive":
                await await_jobs(tx, [job_id])
        event = JobControl(job_id=job_id, action=action, reason="by request")
        await context.outbound.send([outgoing(JOBS_CONTROL, job_id, event)], in_order=True)
        return accepted(job_id, row["kind"])


def _check_order(job: Row, action: Action) -> None:
    """Of a job that failed something may be redriven; of these nothing goes on."""
    state = job["state"]
    again = state == JobState.CANCELLED and action == "cancel"
    if state in (JobState.COMPLETED, JobState.CANCELLED, JobState.REJECTED) and not again:
        raise Refusal(409, f"the job is {state}, for good")
    if action == "redrive" and job["ended_at"] is not None and not job["failed"]:
        raise Refusal(409, f"the job is {state}, and none of its tasks failed: there is nothing to redrive")
