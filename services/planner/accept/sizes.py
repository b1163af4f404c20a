"""Whether the events and calls of a job fit into the topics that carry it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from services.planner.invocation import abort_call, status_call
from services.planner.model import PlannedCall, Resolved
from services.planner.varying import longest
from shared.errors import Problem
from shared.events.catalogue import FETCH_REQUESTED, JOBS_EVENTS
from shared.events.tasks import Call
from shared.events.topic import Topic

_ROOM = 32 * 1024
"""Bytes for what is known only later: a cursor, the vendor's id of its job, where a task stands."""
_SURELY_FITS = 64 * 1024
"""Bytes of a job whose calls fit without a look, where no inputs are filled into them: beside the job's own words they
have only the numbers of pages."""
_PLACES = {"page": "/poll/request", "submit": "/invoke/submit", "answer": "/request", "deliver": "/event"}
_PARTS = ("path", "query", "headers", "body")


def oversized(resolved: Resolved, resolved_json: bytes, planned: Sequence[PlannedCall]) -> tuple[Problem, ...]:
    """The first call whose event would be too large for its topic, or else the job as a whole, as it is written
    down."""
    if len(resolved_json) <= _SURELY_FITS and resolved.invoke is None:
        return ()
    shared = _bytes(resolved.processing)
    for place, call in _calls(resolved, planned):
        size = _bytes(call) + shared
        if size > _most(FETCH_REQUESTED):
            return (Problem(f"{place}{_largest(call, place)}", _too_large("a call", size, _most(FETCH_REQUESTED))),)
    size = len(resolved_json)
    if size > _most(JOBS_EVENTS):
        return (Problem("", _too_large("a job", size, _most(JOBS_EVENTS))),)
    return ()


def _calls(resolved: Resolved, planned: Sequence[PlannedCall]) -> Iterator[tuple[str, Call]]:
    """What is asked now and, of vendor jobs, the longest of what is asked later on."""
    for one in planned:
        yield _PLACES.get(one.purpose, "/poll/pages/plan"), one.call
    inputs = [one.input for one in planned if one.input is not None]
    if resolved.invoke is None or not inputs:
        return
    status, abort = resolved.invoke.status, resolved.invoke.abort
    if status is not None and (call := status_call(resolved, longest(status.request, inputs), "")):
        yield "/invoke/status/request", call
    if abort is not None and (call := abort_call(resolved, longest(abort, inputs), "")):
        yield "/invoke/abort", call


def _bytes(document: BaseModel) -> int:
    return len(document.model_dump_json(by_alias=True, exclude_defaults=True).encode())


def _most(topic: Topic[Any]) -> int:
    return topic.max_message_bytes - _ROOM


def _largest(call: Call, place: str) -> str:
    """The part of the call that is to blame, by the name that it has in a request."""
    if place == "/event":
        return ""
    part = max(_PARTS, key=lambda name: len(str(getattr(call, name))))
    return f"/{'json' if part == 'body' else part}"


def _too_large(what: str, size: int, most: int) -> str:
    return f"too_large: with its values it makes {what} of {size} bytes; expected at most {most}"
