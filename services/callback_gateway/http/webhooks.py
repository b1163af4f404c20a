"""`/in/{hook}`: where somebody else's webhooks come in. They need no API key; their signatures are looked at."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from services.callback_gateway.http.body import read_body
from services.callback_gateway.http.jobs import Edge
from services.callback_gateway.http.problems import Refusal, answers
from services.callback_gateway.metrics import WEBHOOKS
from services.callback_gateway.verify.scheme import verify
from services.callback_gateway.verify.verdict import Forged, Reason, Verified
from services.callback_gateway.webhooks.decide import Taken, Unfit, Webhook, read_webhook
from services.callback_gateway.webhooks.intake import Intake
from shared.errors import Rejected, Unavailable
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic, utc_now
from shared.secrets import Recent
from shared.specification.hook import Hook

_BODY: dict[str, Any] = {"required": True, "content": {"*/*": {"schema": {}}}}
HookName = Annotated[str, Path(description="the hook's name")]

log = get_logger(__name__)


def routes(edge: Edge) -> APIRouter:
    """The route of all hooks."""
    router = APIRouter(prefix="/in", tags=["webhooks"])
    secrets, intake = Recent(monotonic), Intake(edge.database, edge.outbound)

    @router.post(
        "/{hook}",
        status_code=202,
        summary="Send a webhook",
        responses={202: {"description": "Kept"}, **answers(400, 401, 404, 408, 413, 415)},
        openapi_extra={"requestBody": _BODY},
    )
    async def receive(hook: HookName, request: Request) -> Response:
        """Verified over its raw bytes, then durable, then answered. The same webhook again gets the same answer."""
        found = await edge.known.hook(hook)
        if found is None:
            WEBHOOKS.labels(hook="", verdict="unknown_hook").inc()
            raise Refusal(404, f"no hook is called {hook[:64]}")
        webhook = _judge(found, secrets, request, await read_body(request, edge.settings))
        try:
            taken = await intake.take(webhook)
        except Unavailable:
            WEBHOOKS.labels(hook=hook, verdict="not_kept").inc()
            raise
        WEBHOOKS.labels(hook=hook, verdict=taken.value).inc()
        if taken is Taken.CONFLICTING:
            log.warning("webhook.conflicting", hook=hook, webhook_id=str(webhook.id))
        return _accepted(found, webhook, taken)

    return router


def _judge(hook: Hook, secrets: Recent, request: Request, body: bytes) -> Webhook:
    """The webhook in a request, verified; a refusal is counted by its reason."""
    headers: dict[str, str] = {}
    for name, value in request.headers.raw:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    try:
        return read_webhook(hook, _verified(hook, secrets, headers, body), headers, body, utc_now())
    except Unfit as error:
        WEBHOOKS.labels(hook=hook.hook, verdict="unfit").inc()
        raise Refusal(400, str(error)) from None
    except Rejected as error:
        WEBHOOKS.labels(hook=hook.hook, verdict=error.reason).inc()
        raise


def _verified(hook: Hook, secrets: Recent, headers: Mapping[str, str], body: bytes) -> Verified:
    if hook.verify is None:
        return Verified()
    known = secrets.resolve(hook.verify.secrets)
    if not known:
        WEBHOOKS.labels(hook=hook.hook, verdict="secret_missing").inc()
        raise Unavailable(f"no secret of the hook {hook.hook} can be found")
    verdict = verify(hook.verify, known, headers, body, utc_now())
    if isinstance(verdict, Forged):
        WEBHOOKS.labels(hook=hook.hook, verdict=verdict.reason.value).inc()
        log.warning("webhook.refused", hook=hook.hook, reason=verdict.reason.value)
        raise Refusal(400 if verdict.reason is Reason.MALFORMED else 401, verdict.detail)
    return verdict


def _accepted(hook: Hook, webhook: Webhook, taken: Taken) -> Response:
    """A job that the webhook starts has the webhook's id."""
    links = {"job": f"/jobs/{webhook.id}"} if hook.start else {}
    body = orjson.dumps({"id": str(webhook.id), "kind": "webhook", "status": "accepted", "links": links})
    headers = {} if taken is Taken.ACCEPTED else {"Idempotency-Replayed": "true"}
    return Response(body, 202, headers=headers, media_type="application/json")
