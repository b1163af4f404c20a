"""What `/openapi.json` says beyond the routes: the documents that users write, the answers, the problem."""

from copy import deepcopy
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from pydantic import TypeAdapter

from services.callback_gateway.http.access import describe_access
from services.callback_gateway.http.problems import PROBLEM_SCHEMA
from services.callback_gateway.redrive.model import DiscardOrder, DiscardReason, RedriveOrder
from shared.api_models import Answer, Callback, DeadLetter, Job, ScheduleView, Task
from shared.specification.hook import Hook
from shared.specification.job import JobSpecification
from shared.specification.schedule import Schedule
from shared.specification.source import Source
from shared.specification.vendor import Vendor

_PLACE = "#/components/schemas/"
_DOCUMENTS: dict[str, Any] = {
    "JobSpecification": JobSpecification,
    "Vendor": Vendor,
    "Source": Source,
    "Hook": Hook,
    "Schedule": Schedule,
    "RedriveOrder": RedriveOrder,
    "DiscardOrder": DiscardOrder,
    "DiscardReason": DiscardReason,
}
ANY_CONTENT: dict[str, Any] = {"*/*": {"schema": {}}}
_UNUSED = ("HTTPValidationError", "ValidationError")


class Jobs(Answer):
    """A page of jobs; `next` is the `after` of the next page."""

    jobs: list[Job]
    next: UUID | None


class Tasks(Answer):
    """A page of tasks; `next` is the `after` of the next page."""

    tasks: list[Task]
    next: int | None


class Schedules(Answer):
    """A page of schedules; `next` is the `after` of the next page."""

    schedules: list[ScheduleView]
    next: UUID | None


class CallbackReference(Answer):
    """A callback that was taken."""

    id: UUID


class CallbackViews(Answer):
    """A page of callbacks; `next` is the `after` of the next page."""

    callbacks: list[Callback]
    next: UUID | None


class DeadLetters(Answer):
    """A page of dead letters; `next` is the `after` of the next page."""

    dead_letters: list[DeadLetter]
    next: UUID | None


def schema_of(name: str) -> dict[str, Any]:
    """A reference to one of the schemas."""
    return {"$ref": f"{_PLACE}{name}"}


def document(name: str, *examples: dict[str, Any]) -> dict[str, Any]:
    """The description of a request body that is one of the documents which users write."""
    shown = {f"example-{number}": {"value": example} for number, example in enumerate(examples, 1)}
    return {
        "required": True,
        "content": {"application/json": {"schema": schema_of(name), "examples": shown}},
    }


def accepted_headers(what: str) -> dict[str, dict[str, Any]]:
    """The description of the headers with which something is accepted."""
    return {
        "Location": {"description": what, "schema": {"type": "string"}},
        "Retry-After": {"description": "Seconds after which a look is worth it", "schema": {"type": "integer"}},
    }


def describe(app: FastAPI, more: dict[str, Any]) -> None:
    """Complete the description that FastAPI makes of the routes; `more` are paths that are answered before it."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(made(), more)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(found: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = found.setdefault("components", {}).setdefault("schemas", {})
    for operation in (operation for path in found["paths"].values() for operation in path.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422", "")):
            del operation["responses"]["422"]
    for name in _UNUSED:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for name, kind in _DOCUMENTS.items():
        schema = TypeAdapter(kind).json_schema(ref_template=f"{_PLACE}{{model}}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
    found["paths"] |= deepcopy(more)
    describe_access(found)
    return found
