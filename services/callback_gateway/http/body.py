"""Request bodies: counted while they come, within a deadline, JSON only."""

import asyncio
import math
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers

from services.callback_gateway.http.body_budget import BodyShare, body_share
from services.callback_gateway.http.problems import Refusal
from services.callback_gateway.settings import Settings
from shared.errors import Invalid
from shared.specification.parse import decode_json, first_unkept

_JSON_TYPES = ("application/json", "application/cloudevents+json")


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body.

    Raises:
        Refusal: 413 as soon as it is too large, 408 when it does not come, 415 when it is encoded, 503 while other
            requests hold too much.
    """
    limit, share = settings.gateway_body_bytes, body_share(request.scope)
    _check_head(request.headers, limit, share)
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(settings.gateway_body_seconds):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "the body ended early")
                chunks.append(message.get("body", b""))
                size, more = size + len(chunks[-1]), message.get("more_body", False)
                if size > limit:
                    raise Refusal(413, f"the body is larger than {limit} bytes")
                share.add(len(chunks[-1]))
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {settings.gateway_body_seconds:g} s") from None
    return b"".join(chunks)


def _check_head(headers: Headers, limit: int, share: BodyShare) -> None:
    announced = headers.get("content-length", "0")
    size = int(announced[:20]) if announced.isdecimal() else 0
    if size > limit:
        raise Refusal(413, f"the body is larger than {limit} bytes")
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "expected a body without content-encoding")
    share.check(size)


async def read_json_body(request: Request, settings: Settings) -> tuple[bytes, Any]:
    """The body as bytes and as values.

    Raises:
        Refusal: as `read_body`; 415 for another media type; 400 when it is not JSON, or none that can be kept.
    """
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise Refusal(415, "expected content-type application/json")
    body = await read_body(request, settings)
    try:
        document = decode_json(body)
    except Invalid as error:
        located = [problem for problem in error.problems if problem.pointer]
        raise Refusal(400, error.problems[0].detail, located) from None
    if not keepable(document) and (problem := first_unkept(document)):
        raise Refusal(400, problem.detail, [problem])
    return body, document


def keepable(document: Any) -> bool:
    """Whether JSON and Postgres have a form for everything in a decoded document."""
    match document:
        case str():
            return "\0" not in document
        case float():
            return math.isfinite(document)
        case dict():
            return all("\0" not in name and keepable(value) for name, value in document.items())
        case list():
            return all(map(keepable, document))
        case _:
            return True
