"""`/jobs/{id}/answer`: what a vendor answered to a request."""

from fastapi import APIRouter
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.prefer_wait import PreferWait
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.jobs import JobId


def routes(context: ApiContext, waiting: PreferWait) -> APIRouter:
    """The answer of a job."""
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.get(
        "/{job_id}/answer",
        summary="What the vendor answered",
        responses={
            200: {"description": "The status, headers and body of the vendor's own answer, whatever they are"},
            "default": {"description": "The vendor's own answer"},
            **problem_responses(404, 409, 410, 422, 502, 504),
        },
    )
    async def show_answer(job_id: JobId) -> Response:
        """The vendor's own answer to a request, as `Prefer: wait` would have brought it."""
        async with context.database.transaction() as tx:
            row = await store.find_job(tx, job_id)
        if row is None:
            raise Refusal(404, f"there is no job {job_id}")
        if row["answer"] is None and (row["kind"] != "request" or row["ended_at"] is None):
            raise Refusal(409, f"there is no answer to a job of the kind {row['kind']} that is {row['state']}")
        return await waiting.answer(row)

    return router
