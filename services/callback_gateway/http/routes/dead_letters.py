"""`/dead-letters`: what could not be handled, with its reason, history and original bytes; sent again, or put away."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from services.callback_gateway.http import store
from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.description import DeadLetters, document
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.lookup import Limit, linked_page, page
from services.callback_gateway.redrive import bulk
from services.callback_gateway.redrive import store as redrive_store
from services.callback_gateway.redrive.bulk import Taken
from services.callback_gateway.redrive.decide import PUBLISHED_AGAIN, not_whole, topics_of_state
from services.callback_gateway.redrive.model import (
    MOST_REDRIVES,
    DiscardOrder,
    DiscardReason,
    LetterFilter,
    RedriveOrder,
    State,
)
from services.callback_gateway.redrive.presentation import letter_body, whole_letter_body
from services.callback_gateway.redrive.store import LetterPage, Selection
from shared.api_models import LettersAffected, WholeDeadLetter
from shared.database.pool import Row
from shared.events.catalogue import Service
from shared.specification.parse import parse

REDRIVE: TypeAdapter[RedriveOrder] = TypeAdapter(RedriveOrder)
DISCARD: TypeAdapter[DiscardOrder] = TypeAdapter(DiscardOrder)
REASON: TypeAdapter[DiscardReason] = TypeAdapter(DiscardReason)
_FILTER: TypeAdapter[LetterFilter] = TypeAdapter(LetterFilter)

LetterId = Annotated[UUID, Path(description="the dead letter's id")]
Text = Annotated[str | None, Query(max_length=500)]

router = APIRouter(prefix="/dead-letters", tags=["dead letters"])


@router.get(
    "", summary="List dead letters, newest first", responses={200: {"model": DeadLetters}, **problem_responses(422)}
)
async def list_letters(  # noqa: PLR0913, PLR0917 - the parameters of a query
    context: Context,
    service: Annotated[Service | None, Query(description="only of this service")] = None,
    state: Annotated[State | None, Query(description="only in this state")] = None,
    topic: Text = None,
    reason: Text = None,
    job_id: UUID | None = None,
    since: Annotated[str | None, Query(alias="from", description="RFC 3339; not before")] = None,
    until: Annotated[str | None, Query(alias="to", description="RFC 3339; before")] = None,
    after: UUID | None = None,
    limit: Limit = 50,
) -> Response:
    """A page at a time; `next` is the `after` of the next page."""
    asked = {"service": service, "topic": topic, "reason": reason, "job_id": job_id, "from": since, "to": until}
    given = {name: str(value) for name, value in asked.items() if value is not None}
    selection = Selection(parse(_FILTER, given), context.settings.topic_prefix)
    async with context.database.transaction() as tx:
        rows = await store.find_dead_letters(tx, selection, state, after, limit)
    more = {"state": state} if state else {}
    return linked_page(
        page("dead_letters", rows, letter_body, limit), "/dead-letters", {**given, **more, "limit": limit}
    )


@router.get(
    "/{letter_id}",
    summary="Show a dead letter",
    responses={200: {"model": WholeDeadLetter}, **problem_responses(404)},
)
async def show(context: Context, letter_id: LetterId) -> Response:
    """With its history and the original message, which is given as text where it is text."""
    row = await _found(context, letter_id)
    return json_response(whole_letter_body(row))


@router.post(
    "/redrive",
    status_code=202,
    summary="Send dead letters again",
    responses={
        200: {"model": LettersAffected, "description": "A dry run: nothing was done"},
        202: {"model": LettersAffected},
        **problem_responses(400, 408, 413, 415, 422),
    },
    openapi_extra={
        "requestBody": document("RedriveOrder", {"filter": {"reason": "attempts_exhausted"}, "dry_run": True})
    },
)
async def redrive_all(context: Context, request: Request) -> Response:
    """Sends all open letters that fit the filter, the oldest first, at a rate. Held back are those that came back
    three times, unless `force` is given; and always those of cancelled jobs, of configuration, which is published
    again instead, and those whose messages were too large to be kept. A dry run counts them. If the answer has a
    `rest`, give the order again with its `from` and `to` in the filter."""
    order = parse(REDRIVE, (await read_json_body(request, context.settings))[1])
    selection = Selection(order.filter, context.settings.topic_prefix)
    async with context.database.transaction() as tx:
        seen = await redrive_store.survey_redrives(tx, selection, force=order.force)
    if order.dry_run:
        return _affected(Taken(seen.count), seen.held, seen.ids, dry_run=True)
    taken = await bulk.redrive(context.database, selection, seen, turns=order.turns, force=order.force)
    return _affected(taken, seen.held, seen.ids)


@router.post(
    "/{letter_id}/redrive",
    status_code=202,
    summary="Send a dead letter again",
    responses={202: {"model": LettersAffected}, **problem_responses(404, 409, 422)},
)
async def redrive(
    context: Context,
    letter_id: LetterId,
    force: Annotated[bool, Query(description="even if it came back three times")] = False,
) -> Response:
    """If the letter closed a task, the task is planned again; otherwise its message is sent again, byte for byte.
    `409` if the letter is not open, or is held back."""
    selection = Selection(LetterFilter(), context.settings.topic_prefix, letter_id)
    async with context.database.transaction() as tx:
        taken = await redrive_store.schedule_redrives(tx, selection, LetterPage(), force=force)
    if not taken:
        row = await _found(context, letter_id)
        raise Refusal(409, _why_not_redriven(row, selection.prefix, force=force))
    return _affected(Taken(1), 0, (letter_id,))


@router.post(
    "/discard",
    summary="Put dead letters away",
    responses={200: {"model": LettersAffected}, **problem_responses(400, 408, 413, 415, 422)},
    openapi_extra={
        "requestBody": document("DiscardOrder", {"filter": {"topic": "jobs.requested"}, "reason": "a test"})
    },
)
async def discard_all(context: Context, request: Request) -> Response:
    """Puts away all letters that fit the filter and are open, or wait for their turn to be sent again. The reason is
    kept with them. Their tasks stay dead, and their jobs stay as they ended. If the answer has a `rest`, give the order
    again with its `from` and `to` in the filter."""
    order = parse(DISCARD, (await read_json_body(request, context.settings))[1])
    selection = Selection(order.filter, context.settings.topic_prefix)
    async with context.database.transaction() as tx:
        seen = await redrive_store.survey_discards(tx, selection)
    if order.dry_run:
        return _affected(Taken(seen.count), 0, seen.ids, dry_run=True)
    taken = await bulk.discard(context.database, selection, seen, order.reason)
    return _affected(taken, 0, seen.ids, status=200)


@router.post(
    "/{letter_id}/discard",
    summary="Put a dead letter away",
    responses={200: {"model": LettersAffected}, **problem_responses(400, 404, 408, 409, 413, 415, 422)},
    openapi_extra={"requestBody": document("DiscardReason", {"reason": "the vendor no longer has it"})},
)
async def discard(context: Context, letter_id: LetterId, request: Request) -> Response:
    """The reason is kept with the letter. A letter that waits for its turn is not sent any more. Its task stays dead,
    and its job stays as it ended."""
    order = parse(REASON, (await read_json_body(request, context.settings))[1])
    selection = Selection(LetterFilter(), context.settings.topic_prefix, letter_id)
    async with context.database.transaction() as tx:
        taken = await redrive_store.discard_letters(tx, selection, LetterPage(), order.reason)
    if not taken:
        row = await _found(context, letter_id)
        raise Refusal(409, f"the dead letter is {row['state']} already")
    return _affected(Taken(1), 0, (letter_id,), status=200)


async def _found(context: ApiContext, letter_id: UUID) -> Row:
    async with context.database.transaction() as tx:
        row = await store.find_dead_letter(tx, letter_id)
    if row is None:
        raise Refusal(404, f"there is no dead letter {letter_id}")
    return row


def _why_not_redriven(row: Row, prefix: str, *, force: bool) -> str:
    if row["state"] != "open":
        return f"the dead letter is {row['state']} already"
    if why := not_whole(row["document"]["original"].get("left_out")):
        return why
    if row["topic"] in topics_of_state(prefix):
        return PUBLISHED_AGAIN
    if row["redrives"] >= MOST_REDRIVES and not force:
        return f"the dead letter came back {row['redrives']} times; force sends it nevertheless"
    return "its job is cancelled"


def _affected(taken: Taken, held: int, ids: tuple[UUID, ...], *, dry_run: bool = False, status: int = 202) -> Response:
    rest = taken.rest and dict(zip(("from", "to"), taken.rest, strict=True))
    body = {"count": taken.count, "held": held, "ids": [str(one) for one in ids], "dry_run": dry_run, "rest": rest}
    return json_response(body, 200 if dry_run else status)
