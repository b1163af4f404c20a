"""`/jobs/{id}/answer`: what a vendor answered to a request."""

from fastapi import APIRouter
from fastapi.responses import Response

from services.callback_gateway.http.context import Context
from services.callback_gateway.http.description import ANY_CONTENT
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.lookup import JobId, job_or_404

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/answer",
    summary="What the vendor answered",
    responses={
        200: {
            "description": "The status, headers and body of the vendor's own answer, whatever they are",
            "content": ANY_CONTENT,
        },
        "default": {"description": "The vendor's own answer", "content": ANY_CONTENT},
        **problem_responses(404, 409, 410, 422, 502, 504),
    },
)
async def show_answer(context: Context, job_id: JobId) -> Response:
    """The vendor's own answer to a request, as `Prefer: wait` would have brought it."""
    async with context.database.transaction() as tx:
        row = await job_or_404(tx, job_id)
    if row["answer"] is None and (row["kind"] != "request" or row["ended_at"] is None):
        raise Refusal(409, f"there is no answer to a job of the kind {row['kind']} that is {row['state']}")
    return await context.prefer_wait.answer(row)
