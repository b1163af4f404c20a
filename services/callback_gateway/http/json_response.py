"""JSON answers."""

from typing import Any

import orjson
from fastapi.responses import Response
from pydantic_core import to_json


def json_response(content: Any, status: int = 200) -> Response:
    """Content as JSON; times as RFC 3339, ids as text."""
    return Response(json_bytes(content), status, media_type="application/json")


def json_bytes(content: Any) -> bytes:
    """The same as bytes. What others wrote may have whole numbers beyond 64 bits, at which orjson stops. It stops at
    the driver's UUIDs, too, so ids become texts before. Times look the same by either way."""
    try:
        return orjson.dumps(content, option=orjson.OPT_UTC_Z)
    except TypeError:
        return to_json(content, inf_nan_mode="null")
