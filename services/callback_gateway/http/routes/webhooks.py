"""`POST /in/{hook}`: where somebody else's webhooks come in. They need no API key; their signatures are looked at."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from services.callback_gateway.http.body import read_body
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.description import accepted_headers
from services.callback_gateway.http.json_response import json_bytes
from services.callback_gateway.http.problems import Refusal, problem_responses
from services.callback_gateway.metrics import WEBHOOKS
from services.callback_gateway.verify.scheme import verify
from services.callback_gateway.verify.verdict import Forged, Reason, Verified
from services.callback_gateway.webhooks.decide import Receipt, Received, Unfit, Webhook, is_quick, read_webhook
from services.callback_gateway.webhooks.intake import Intake
from shared.errors import Rejected, Unavailable
from shared.ids import new_id
from shared.observability.logs import get_logger
from shared.runtime.clock import utc_now
from shared.specification.hook import Hook

_BEFORE_NAME = "/in/"
ROUTE = "/in/{hook}"
_NO_CONTENT = 204
_OPERATION: dict[str, Any] = {
    "tags": ["webhooks"],
    "summary": "Send a webhook",
    "description": "Verified over its raw bytes, then durable, then answered; the same one again is answered alike.",
    "operationId": "receive_webhook",
    "parameters": [{"name": "hook", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"required": True, "content": {"*/*": {"schema": {}}}},
    "responses": {
        "202": {
            "description": "Kept; `Location` and `links.job` lead to the job that it may start",
            "headers": accepted_headers("The job, if the hook starts one and its `when` holds"),
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "200": {
            "description": "The same, where the hook asks for this status",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "204": {"description": "The same without a body, where the hook asks for this status"},
        **{str(status): answer for status, answer in problem_responses(400, 401, 404, 408, 413, 415).items()},
    },
}
DESCRIPTION = {ROUTE: {"post": _OPERATION}}

log = get_logger(__name__)


class Webhooks:
    """Takes webhooks."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._intake = Intake(context.database, context.outbound)
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def answer(self, request: Request) -> Response:
        """Verified over the raw bytes, then durable, then answered."""
        if request.method != "POST":
            raise Refusal(405, "webhooks are sent with POST", headers={"Allow": "POST"})
        name = request.scope["path"].removeprefix(_BEFORE_NAME)
        hook = await self._context.configuration.hook(name)
        if hook is None:
            WEBHOOKS.labels(hook="", verdict="unknown_hook").inc()
            raise Refusal(404, "no hook is called that")
        body = await read_body(request, self._context.settings)
        webhook = await self._judge(hook, request, body)
        try:
            receipt = await self._intake.take(webhook)
        except Unavailable:
            WEBHOOKS.labels(hook=name, verdict="not_kept").inc()
            raise
        _counter(name, receipt).inc()
        if receipt is Receipt.CONFLICTING:
            log.warning("webhook.conflicting", hook=name, webhook_id=str(webhook.id))
        return _accepted(hook, webhook, receipt)

    async def _judge(self, hook: Hook, request: Request, body: bytes) -> Webhook:
        """The webhook in a request, verified; a refusal is counted by its reason."""
        headers: dict[str, str] = {}
        for header, value in request.headers.raw:
            headers.setdefault(header.decode("latin-1"), value.decode("latin-1"))
        try:
            verdict = self._verify(hook, headers, body)
            return await self._read(hook, verdict, Received(headers, body, utc_now()))
        except Unfit as error:
            WEBHOOKS.labels(hook=hook.hook, verdict="unfit").inc()
            raise Refusal(400, str(error)) from None
        except Rejected as error:
            WEBHOOKS.labels(hook=hook.hook, verdict=error.reason).inc()
            raise

    async def _read(self, hook: Hook, verdict: Verified, received: Received) -> Webhook:
        """In a thread where expressions may take seconds, for each hook one webhook at a time: other requests go on."""
        if is_quick(hook, len(received.body)):
            return read_webhook(hook, verdict, received, new_id())
        async with self._reading[hook.hook]:
            return await asyncio.to_thread(read_webhook, hook, verdict, received, new_id())

    def _verify(self, hook: Hook, headers: Mapping[str, str], body: bytes) -> Verified:
        if hook.verify is None:
            return Verified()
        try:
            known = self._context.secrets.find(hook.verify)
        except Unavailable:
            WEBHOOKS.labels(hook=hook.hook, verdict="secret_missing").inc()
            raise
        verdict = verify(hook.verify, known.secrets, headers, body, utc_now())
        if isinstance(verdict, Forged):
            WEBHOOKS.labels(hook=hook.hook, verdict=verdict.reason.value).inc()
            log.warning("webhook.refused", hook=hook.hook, reason=verdict.reason.value, unusable=known.problems)
            raise Refusal(400 if verdict.reason is Reason.MALFORMED else 401, verdict.detail)
        return verdict


@lru_cache(maxsize=1024)
def _counter(hook: str, receipt: Receipt) -> Counter:
    return WEBHOOKS.labels(hook=hook, verdict=receipt.value)


def _accepted(hook: Hook, webhook: Webhook, receipt: Receipt) -> Response:
    """A job that the webhook starts has the webhook's id."""
    headers = {} if receipt is Receipt.ACCEPTED else {"Idempotency-Replayed": "true"}
    if hook.answer.status == _NO_CONTENT:
        return Response(status_code=_NO_CONTENT, headers=headers)
    links = {}
    if hook.start:
        links["job"] = headers["Location"] = f"/jobs/{webhook.id}"
        headers["Retry-After"] = "1"
    body = {"id": str(webhook.id), "kind": "webhook", "status": "accepted", "links": links, **webhook.answer_fields}
    return Response(json_bytes(body), hook.answer.status, headers=headers, media_type="application/json")
