"""`/jobs`: ask for one, follow it, control it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.description import ANY_CONTENT, Jobs, Tasks, accepted_headers, document, schema_of
from services.callback_gateway.http.idempotency import IDEMPOTENCY_KEY
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.prefer_wait import PREFER
from services.callback_gateway.http.presentation import counts_of, failures_of, job_body, task_body
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.lookup import JobId, Limit, job_or_404, linked_page, page
from services.callback_gateway.http.submission import accepted, submit_job
from services.callback_gateway.redrive.store import await_jobs
from shared.api_models import Job, JobReference
from shared.database.pool import Row
from shared.events.catalogue import JOBS_CONTROL
from shared.events.jobs import JobControl, JobState
from shared.events.tasks import TaskState
from shared.messaging.handler import outgoing
from shared.runtime.clock import utc_now
from shared.specification.vendor import Window

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
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": JobReference, "headers": accepted_headers("The job")}}

JOB_SCHEMA = schema_of("Job")
Action = Literal["cancel", "pause", "resume", "redrive"]

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=202,
    summary="Ask for a job",
    responses={
        **_ACCEPTED,
        200: {
            "description": "With `Prefer: wait`: the job is over. Of a request: the vendor's own answer",
            "content": {"application/json": {"schema": {"anyOf": [JOB_SCHEMA, {}]}}, **ANY_CONTENT},
        },
        "default": {
            "description": "With `Prefer: wait`: the status, headers and body of the vendor's own answer",
            "content": ANY_CONTENT,
        },
        **problem_responses(400, 408, 413, 415, 422, 502, 504),
    },
    openapi_extra={
        "parameters": [IDEMPOTENCY_KEY, PREFER],
        "requestBody": document("JobSpecification", *EXAMPLES),
    },
)
async def submit(context: Context, request: Request) -> Response:
    """Check a job specification, make it durable, answer with the job's place. The answer lists all mistakes.
    With `Prefer: wait=N` the answer comes when the job is over, if that is within N seconds."""
    return await submit_job(context, request)


@router.get("", summary="List jobs, newest first", responses={200: {"model": Jobs}, **problem_responses(422)})
async def list_jobs(
    context: Context,
    status: Annotated[JobState | None, Query(description="only jobs in this state")] = None,
    correlation_id: Annotated[UUID | None, Query(description="only jobs with it: a schedule's id, say")] = None,
    limit: Limit = 50,
    after: UUID | None = None,
) -> Response:
    """Jobs, a page at a time; `next` is the `after` of the next page."""
    async with context.database.transaction() as tx:
        if correlation_id is None:
            rows = await store.find_jobs(tx, status, after, limit)
        else:
            rows = await store.find_correlated_jobs(tx, correlation_id, status, after, limit)
    now, contracts = utc_now(), await _contracts(context, rows)
    found = page(
        "jobs",
        rows,
        lambda row: job_body(row, counts_of(row), failures_of(row), now, windows=contracts.get(row["vendor"], ())),
        limit,
    )
    only = {"status": status.value} if status else {}
    only |= {"correlation_id": str(correlation_id)} if correlation_id else {}
    return linked_page(found, "/jobs", {"limit": limit, **only})


@router.get("/{job_id}", summary="A job as it stands", responses={200: {"model": Job}, **problem_responses(404)})
async def show_job(context: Context, job_id: JobId) -> Response:
    """Status, counts, progress, completeness and failures of a job."""
    async with context.database.transaction() as tx:
        row = await job_or_404(tx, job_id)
        counts = await store.count_tasks(tx, row)
        failures = await store.count_failures(tx, row)
    contracts = await _contracts(context, [row])
    return json_response(job_body(row, counts, failures, utc_now(), windows=contracts.get(row["vendor"], ())))


@router.get(
    "/{job_id}/tasks", summary="A job's tasks", responses={200: {"model": Tasks}, **problem_responses(404, 422)}
)
async def list_tasks(
    context: Context,
    job_id: JobId,
    state: Annotated[TaskState | None, Query(description="only tasks in this state")] = None,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
) -> Response:
    """Tasks in the order of their numbers, each with its attempts and the times of its states."""
    async with context.database.transaction() as tx:
        await job_or_404(tx, job_id)
        rows = await store.find_tasks(tx, job_id, state, after, limit)
    return json_response(page("tasks", rows, task_body, limit, by="number"))


@router.post(
    "/{job_id}/{action}",
    status_code=202,
    summary="Control a job",
    responses={**_ACCEPTED, **problem_responses(404, 409)},
)
async def control(context: Context, job_id: JobId, action: Action) -> Response:
    """Cancel, pause or resume a job, or redrive its failed tasks."""
    async with context.database.transaction() as tx:
        row = await job_or_404(tx, job_id)
        _check_order(row, action)
        if action == "redrive":
            await await_jobs(tx, [job_id])
    event = JobControl(job_id=job_id, action=action, reason="by request")
    await context.outbound.send([outgoing(JOBS_CONTROL, job_id, event)], in_order=True)
    return accepted(job_id, row["kind"])


async def _contracts(context: ApiContext, rows: Sequence[Row]) -> dict[str, Sequence[Window]]:
    """The windows of the vendors of jobs that run."""
    names = {row["vendor"] for row in rows if row["state"] == JobState.RUNNING and row["all_known"]}
    vendors = [await context.configuration.vendor(name) for name in sorted(names)]
    return {vendor.vendor: vendor.budget.windows for vendor in vendors if vendor is not None}


def _check_order(job: Row, action: Action) -> None:
    """Of a job that failed something may be redriven; of these nothing goes on."""
    state = job["state"]
    again = state == JobState.CANCELLED and action == "cancel"
    if state in (JobState.COMPLETED, JobState.CANCELLED, JobState.REJECTED) and not again:
        raise Refusal(409, f"the job is {state}, which is final")
    if action == "redrive" and job["ended_at"] is not None and not job["failed"]:
        raise Refusal(409, f"the job is {state}, and none of its tasks failed: there is nothing to redrive")
