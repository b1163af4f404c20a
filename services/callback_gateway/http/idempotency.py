"""Idempotency keys: the same key with the same body is the same request."""

import asyncio
from typing import Any
from uuid import UUID

from starlette.requests import Request

from services.callback_gateway.http import store
from services.callback_gateway.http.access import key_of
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.problems import Refusal
from services.callback_gateway.http.store import KeyUse
from shared.errors import Unavailable

_LONGEST_KEY = 255
_CLAIM_SECONDS = 3.0
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeat a request with the same key and body, and it is the same job",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[ -~]*$"},
}


async def use_key(
    context: ApiContext, key: str, fingerprint: bytes, wanted: UUID, called: str = "Idempotency-Key"
) -> KeyUse:
    """The job of an idempotency key: the unique index decides who came first. The first job may be asked for again,
    in case its request never reached the broker; the planner drops what it has had.

    Raises:
        Refusal: it was used with another body.
        Unavailable: the database does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(_CLAIM_SECONDS), context.database.transaction() as tx:
            use = await store.claim_key(tx, key, fingerprint, wanted)
    except TimeoutError:
        raise Unavailable("Postgres: a key was not claimed in time") from None
    if use.fingerprint != fingerprint:
        raise Refusal(422, f"this {called} was used with another body")
    return use


async def is_known(context: ApiContext, key: str, fingerprint: bytes) -> bool:
    """Whether a key was used before, with the same body. False while the database does not answer: the request that
    asks is refused otherwise, and must not be answered as if a repetition could succeed."""
    try:
        async with asyncio.timeout(_CLAIM_SECONDS), context.database.transaction() as tx:
            use = await store.find_key(tx, key)
    except (TimeoutError, Unavailable):
        return False
    return use is not None and use.fingerprint == fingerprint


def idempotency_key(request: Request) -> str | None:
    """The name under which the request's own key is kept, if it has one: the clients of two API keys may choose the
    same. Without an API key it is the key alone, which has no line break.

    Raises:
        Refusal: it is none that can be kept.
    """
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1:
        raise Refusal(422, f"Idempotency-Key: expected one, got {len(keys)}")
    [key] = keys
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal(400, f"Idempotency-Key: expected 1 to {_LONGEST_KEY} printable ASCII characters")
    api_key = key_of(request.scope)
    return key if api_key is None else f"{api_key}\n{key}"
