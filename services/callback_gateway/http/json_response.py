"""JSON answers."""

from typing import Any

import orjson
from fastapi.responses import Response
from pydantic_core import to_json


def json_response(content: Any, status: int = 200) -> Response:
    """Content as JSON; times as RFC 3339, ids as text."""
    return Response(json_bytes(content), status, media_type="application/json")


def json_bytes(content: Any) -> bytes:
    """The same as bytes. Whole numbers beyond 64 bits, at which orjson stops, may stand in what others wrote."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return to_json(content, inf_nan_mode="null")
