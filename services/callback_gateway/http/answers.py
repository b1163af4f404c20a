"""JSON answers."""

from typing import Any

import orjson
from fastapi.responses import Response


def json_answer(content: Any, status: int = 200) -> Response:
    """Content as JSON; times as RFC 3339, ids as text."""
    return Response(orjson.dumps(content), status, media_type="application/json")
