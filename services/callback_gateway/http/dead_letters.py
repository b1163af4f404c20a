"""`/dead-letters`: what could not be handled, with its reason, history and original bytes."""

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.answers import json_answer
from services.callback_gateway.http.description import DeadLetters, WholeDeadLetter
from services.callback_gateway.http.jobs import Edge, Limit
from services.callback_gateway.http.problems import Refusal, answers
from shared.database.pool import Row

Service = Literal["planner", "fetcher", "processor", "callback-gateway", "scheduler"]


def routes(edge: Edge) -> APIRouter:
    """The routes under `/dead-letters`."""
    router = APIRouter(prefix="/dead-letters", tags=["dead letters"])

    @router.get("", summary="List dead letters, newest first", responses={200: {"model": DeadLetters}, **answers(422)})
    async def list_letters(
        service: Annotated[Service | None, Query(description="only of this service")] = None,
        job_id: UUID | None = None,
        after: UUID | None = None,
        limit: Limit = 50,
    ) -> Response:
        """A page at a time; `next` is the `after` of the next page."""
        async with edge.database.transaction() as tx:
            rows = await store.find_dead_letters(tx, service, job_id, after, limit)
        following = str(rows[-1]["id"]) if len(rows) == limit else None
        return json_answer({"dead_letters": [_brief(row) for row in rows], "next": following})

    @router.get(
        "/{letter_id}", summary="Show a dead letter", responses={200: {"model": WholeDeadLetter}, **answers(404)}
    )
    async def show(letter_id: UUID) -> Response:
        """With headers, history and the original, as text where it is text."""
        async with edge.database.transaction() as tx:
            row = await store.find_dead_letter(tx, letter_id)
        if row is None:
            raise Refusal(404, f"there is no dead letter {letter_id}")
        return json_answer({**_brief(row), **_whole(row["document"])})

    return router


def _brief(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "service": row["service"],
        "topic": row["topic"],
        "reason": row["reason"],
        "error": row["error"],
        "delivery": row["delivery"],
        "at": row["at"],
        "job_id": row["job_id"] and str(row["job_id"]),
        "task_id": row["task_id"] and str(row["task_id"]),
    }


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    original = document["original"]
    return {
        "history": document["history"],
        "original": {
            **{name: original[name] for name in ("topic", "partition", "offset", "timestamp")},
            "key": _text(original["key"]),
            "value": _text(original["value"]),
            "value_base64": original["value"],
            "headers": [[name, _text(value)] for name, value in original["headers"]],
        },
    }


def _text(encoded: str | None) -> str | None:
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded).decode("utf-8")
    except ValueError:
        return None
