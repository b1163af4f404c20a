"""`/callbacks`: vendors say what became of their jobs. Verified over the raw bytes, durable, then answered; which task
one is for is found out afterwards."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.body import read_body
from services.callback_gateway.http.context import ApiContext, Context
from services.callback_gateway.http.description import CallbackReference, CallbackViews
from services.callback_gateway.http.json_response import json_response
from services.callback_gateway.http.presentation import callback_body
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.http.routes.lookup import JobId, Limit, job_or_404, page
from services.callback_gateway.metrics import CALLBACKS
from services.callback_gateway.settings import Settings
from services.callback_gateway.verify.headers import without_secrets
from services.callback_gateway.verify.scheme import verify
from services.callback_gateway.verify.verdict import Forged, Reason
from shared.errors import Rejected, Unavailable
from shared.events.callbacks import CallbackReceived
from shared.events.catalogue import CALLBACKS_RECEIVED
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.observability.logs import get_logger
from shared.runtime.clock import utc_now
from shared.secrets import Found, SecretMissing, resolve_own
from shared.specification.bodies import json_in
from shared.specification.vendor import Callbacks
from shared.specification.vendor_jobs import LONGEST_ID, vendor_job_of
from shared.specification.verification import Verification
from shared.tokens import Claim, read_token

_ANY_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"*/*": {}}}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": CallbackReference},
    **problem_responses(400, 401, 404, 408, 413, 415),
}

VendorName = Annotated[str, Path(description="the vendor's name")]

log = get_logger(__name__)

router = APIRouter(tags=["callbacks"])


@router.post(
    "/callbacks/{vendor}/{token}",
    status_code=202,
    summary="Call back by token",
    responses=_ACCEPTED,
    openapi_extra=_ANY_BODY,
)
async def by_token(
    context: Context,
    vendor: VendorName,
    token: Annotated[str, Path(description="as the submit's URL has it")],
    request: Request,
) -> Response:
    """Say what became of the job that was submitted with this URL."""
    claim = _read_token(context.settings, token)
    if claim is None:
        raise _nowhere()
    rules = await context.callback_rules.rules_of(vendor)
    if rules is None:
        raise _nowhere()
    return await _take(context, vendor, rules, request, claim)


@router.post(
    "/callbacks/{vendor}",
    status_code=202,
    summary="Call back by the vendor's own job id",
    responses=_ACCEPTED,
    openapi_extra=_ANY_BODY,
)
async def by_vendor_job(context: Context, vendor: VendorName, request: Request) -> Response:
    """Say what became of a job that the body names; taken only from vendors that prove who they are."""
    rules = await context.callback_rules.rules_of(vendor)
    if rules is None or rules.verify is None or rules.vendor_job is None:
        raise _nowhere()
    return await _take(context, vendor, rules, request, None)


@router.get(
    "/jobs/{job_id}/callbacks",
    summary="A job's callbacks",
    tags=["jobs"],
    responses={200: {"model": CallbackViews}, **problem_responses(404, 422)},
)
async def list_callbacks(context: Context, job_id: JobId, limit: Limit = 100, after: UUID | None = None) -> Response:
    """The callbacks that were matched with a job's tasks, the oldest first, each with its verdict."""
    async with context.database.transaction() as tx:
        await job_or_404(tx, job_id)
        rows = await store.find_callbacks(tx, job_id, after, limit)
    return json_response(page("callbacks", rows, callback_body, limit))


def _nowhere() -> Refusal:
    """One answer for whatever does not exist: it tells nobody which part was wrong."""
    return Refusal(404, "there is nothing of that name")


def _read_token(settings: Settings, token: str) -> Claim | None:
    """The claim of a good token. What comes after the wait is recorded as late for as long as its job is shown."""
    if not settings.callback_key:
        return None
    try:
        key = resolve_own(settings.callback_key)
    except SecretMissing as error:
        log.error("secret.missing", error=str(error))
        raise Unavailable(str(error)) from None
    claim = read_token(key.encode(), token)
    if claim is None or utc_now() - claim.expires_at > timedelta(days=settings.gateway_keep_days):
        return None
    return claim


async def _take(context: ApiContext, vendor: str, rules: Callbacks, request: Request, claim: Claim | None) -> Response:
    body = await read_body(request, context.settings)
    headers = dict(request.headers)
    if rules.verify is not None:
        _prove(vendor, rules.verify, context.secrets.find(rules.verify), headers, body)
    shown = without_secrets(headers, rules.verify)
    vendor_job = None if claim else _vendor_job(vendor, rules, {"body": json_in(body), "headers": shown})
    callback_id = new_id()
    event = CallbackReceived(
        callback_id=callback_id,
        vendor=vendor,
        task_id=claim.task_id if claim else None,
        round=claim.round if claim else 0,
        expires_at=claim.expires_at if claim else None,
        vendor_job=vendor_job,
        headers=shown,
        body=base64.b64encode(body).decode(),
        received_at=utc_now(),
    )
    key = str(event.task_id) if event.task_id else f"{vendor}/{event.vendor_job}"
    try:
        message = outgoing(CALLBACKS_RECEIVED, key, event, id=callback_id)
    except Rejected as error:
        CALLBACKS.labels(vendor=vendor, verdict=error.reason).inc()
        log.warning("callback.refused", vendor=vendor, reason=error.reason, error=str(error))
        raise
    await context.outbound.send([message])
    return json_response({"id": str(callback_id)}, 202)


def _vendor_job(vendor: str, rules: Callbacks, document: Mapping[str, Any]) -> str:
    """Without a token nothing else says whom a callback is for."""
    found = vendor_job_of(rules.vendor_job, document)
    if found is None:
        CALLBACKS.labels(vendor=vendor, verdict="unfit").inc()
        raise Refusal(400, f"expected the job's id, a printable text or whole number of 1 to {LONGEST_ID} characters")
    return found


def _prove(vendor: str, scheme: Verification, known: Found, headers: Mapping[str, str], body: bytes) -> None:
    """A token is proof enough only where the vendor signs nothing."""
    verdict = verify(scheme, known.secrets, headers, body, utc_now())
    if isinstance(verdict, Forged):
        CALLBACKS.labels(vendor=vendor, verdict="refused").inc()
        log.warning("callback.refused", vendor=vendor, reason=verdict.reason.value, unusable=known.problems)
        raise Refusal(400 if verdict.reason is Reason.MALFORMED else 401, verdict.detail)
