"""Errors over HTTP: problem+json (RFC 9457), always, also for what the framework itself refuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared.errors import Invalid, Problem, Unavailable
from shared.observability.logs import get_logger

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5

log = get_logger(__name__)


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str, errors: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    instance: str = "",
) -> Response:
    """The answer that says what is wrong."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if instance:
        body["instance"] = instance
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return Response(orjson.dumps(body), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the API with a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return problem(error.status, error.detail, errors=error.errors, instance=request.url.path)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, Invalid)
        return problem(422, "the document has mistakes", errors=error.problems, instance=request.url.path)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [Problem("/" + "/".join(str(step) for step in one["loc"]), str(one["msg"])) for one in error.errors()]
        is_path = any(one["loc"][0] == "path" for one in error.errors())
        if is_path:
            return problem(404, "there is nothing of that name", instance=request.url.path)
        return problem(422, "the request has mistakes", errors=found, instance=request.url.path)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), headers=error.headers, instance=request.url.path)

    async def unavailable(request: Request, error: Exception) -> Response:
        log.warning("request.unavailable", path=request.url.path, error=str(error))
        detail = "the service cannot keep or read this now; try again"
        return problem(503, detail, headers={"Retry-After": str(_RETRY_SECONDS)}, instance=request.url.path)

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(Invalid, invalid)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Unavailable, unavailable)


PROBLEM: dict[str, Any] = {
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "instance": {"type": "string"},
                    "errors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                        },
                    },
                },
            }
        }
    }
}

_DESCRIPTIONS = {
    400: "Not JSON, or a malformed request",
    404: "There is nothing of that name",
    408: "The body did not come in time",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "The document has mistakes; all of them are listed",
    503: "Neither broker nor spool can keep the request; try again",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for its description."""
    return {status: {"description": _DESCRIPTIONS[status], **PROBLEM} for status in (*statuses, 503)}
