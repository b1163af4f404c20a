"""Whether a job's placeholders have values: to be told when it is written down, not when it is due. Pure."""

from collections.abc import Collection
from typing import Any

from shared.errors import Problem
from shared.specification.job import InvokeJob, PollJob, RequestJob
from shared.specification.request import placeholders_in
from shared.specification.source import Source

_PAGES = {"plan": {"path", "query"}}
_REQUESTS: Any = {
    "request": True,
    "poll": {"request": True, "pages": _PAGES},
    "invoke": {
        "submit": True,
        "status": {"request"},
        "results": {"request": True, "pages": _PAGES},
        "abort": True,
    },
}
"""The parts of a job or source in which placeholders are filled."""
_FILLED_LATER = ("callback.url", "task.id", "vendor_job")
"""By whoever makes the calls of an invocation."""


def unfilled(job: object) -> list[Problem]:
    """One problem for each placeholder that nothing in a job fills. What a named source needs is not known here."""
    if not isinstance(job, (RequestJob, PollJob, InvokeJob)):
        return []
    known = [f"parameters.{name}" for name in job.parameters]
    if isinstance(job, InvokeJob):
        known += [*dict.fromkeys(f"input.{name}" for one in job.input for name in one), *_FILLED_LATER]
    told = ", ".join(f"{{{name}}}" for name in known) or "none"
    return [
        Problem(place, f"unknown placeholder {{{name}}}; known here: {told}")
        for place, name in placeholders_in(job.model_dump(by_alias=True, include=_REQUESTS))
        if name not in known
    ]


def missing_parameters(source: Source, given: Collection[str]) -> list[Problem]:
    """One problem for each parameter that a source needs and nobody gives."""
    found = placeholders_in(source.model_dump(by_alias=True, include=_REQUESTS))
    needed = dict.fromkeys(name.removeprefix("parameters.") for _, name in found if name.startswith("parameters."))
    return [Problem("/parameters", f"{source.source} needs a parameter {name}") for name in needed if name not in given]
