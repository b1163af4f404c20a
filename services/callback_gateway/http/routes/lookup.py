"""What routes have in common: the parts of their paths and queries, a job that must be there, a page of a list."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.problems import Refusal
from shared.database.pool import Row, Transaction

JobId = Annotated[UUID, Path(description="the job's id")]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]


async def job_or_404(tx: Transaction, job_id: UUID) -> Row:
    """The job.

    Raises:
        Refusal: there is none.
    """
    row = await store.find_job(tx, job_id)
    if row is None:
        raise Refusal(404, f"there is no job {job_id}")
    return row


def page(
    name: str, rows: Sequence[Row], body: Callable[[Row], dict[str, Any]], limit: int, *, by: str = "id"
) -> dict[str, Any]:
    """The body of a page; `next` is the `after` of the next one, which there may be if this one is full: what its last
    row shows as `by`."""
    shown = [body(row) for row in rows]
    return {name: shown, "next": shown[-1][by] if len(shown) == limit else None}


def linked_page(found: dict[str, Any], place: str, query: Mapping[str, Any]) -> Response:
    """A page that leads to the next one of the same query by a header, too (RFC 8288)."""
    answer = json_response(found)
    if found["next"] is not None:
        answer.headers["Link"] = f'<{place}?{urlencode({**query, "after": found["next"]})}>; rel="next"'
    return answer
