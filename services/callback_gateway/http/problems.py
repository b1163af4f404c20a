"""Errors over HTTP: problem+json (RFC 9457), always, also for what the framework itself refuses."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared.errors import Invalid, Problem, Rejected, Unavailable
from shared.observability.logs import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_LONGEST_INSTANCE = 200
_SCHEMA = "#/components/schemas/Problem"

log = get_logger(__name__)


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[Problem] = (), *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers


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
        body["instance"] = instance[:_LONGEST_INSTANCE]
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return Response(orjson.dumps(body), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the API with a problem."""
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)


async def answer_to(request: Request, error: Exception) -> Response:
    """The answer to an error, for what is not answered by the framework."""
    kind = next(kind for kind in type(error).__mro__ if kind in _ANSWERS)
    return await _ANSWERS[kind](request, error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem(error.status, error.detail, errors=error.errors, headers=error.headers, instance=_place(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, Invalid)
    return problem(422, "the document has mistakes", errors=error.problems, instance=_place(request))


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [Problem("/" + "/".join(str(step) for step in one["loc"]), str(one["msg"])) for one in error.errors()]
    if any(one["loc"][0] == "path" for one in error.errors()):
        return problem(404, "there is nothing of that name", instance=_place(request))
    return problem(422, "the request has mistakes", errors=found, instance=_place(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=error.headers, instance=_place(request))


def unavailable(path: str, error: Exception) -> Response:
    """The answer while infrastructure is away."""
    log.warning("request.unavailable", path=path, error=str(error))
    detail = "the service cannot keep or read this now; try again"
    return problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)}, instance=path)


async def _unavailable(request: Request, error: Exception) -> Response:
    return unavailable(_place(request), error)


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, Rejected)
    return problem(413 if error.reason == "too_large" else 422, str(error), instance=_place(request))


async def failed(request: Request, error: Exception) -> Response:
    """The answer to what should not have been raised."""
    return problem(500, "a defect of this service; its log says more", instance=_place(request))


_ANSWERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Refusal: _refused,
    Invalid: _invalid,
    RequestValidationError: _malformed,
    HTTPException: _http,
    Unavailable: _unavailable,
    Rejected: _rejected,
    Exception: failed,
}


def _place(request: Request) -> str:
    """Not from the URL, which is made of the Host header and may not be one; and without the token of a callback."""
    path = str(request.scope["path"])
    return "/".join(path.split("/")[:3]) if path.startswith("/callbacks/") else path


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it; `errors` lists each mistake with its RFC 6901 pointer",
    "required": ["type", "title", "status", "detail"],
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
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
PROBLEM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA}}}}

_DESCRIPTIONS = {
    400: "Not JSON, or a malformed request",
    401: "The sender is not authenticated",
    403: "The API key lacks the scope that this needs",
    404: "It does not exist",
    410: "It is no longer kept",
    502: "The vendor did not answer, or with a status outside 200 to 599",
    504: "The vendor did not answer in time",
    408: "The body did not come in time",
    409: "Its state does not allow this",
    413: "The body is too large",
    414: "The request target is too long",
    415: "The body is not JSON",
    422: "The document has mistakes; all of them are listed",
    429: "The API key exceeds its rate; `Retry-After` says when to try again",
    431: "The headers are too many or too large",
    503: "The gateway has no room for the request, or cannot keep it now; try again",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for its description."""
    return {status: {"description": _DESCRIPTIONS[status], **PROBLEM} for status in (*statuses, 414, 431, 503)}
