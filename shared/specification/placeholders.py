"""Whether a job's placeholders have values: to be told when it is written down, not when it is due. Pure."""

from collections.abc import Collection

from shared.errors import Problem
from shared.specification.invoke import AFTER_IT, IN_SUBMIT, Input
from shared.specification.job import InvokeJob, PollJob, RequestJob
from shared.specification.request import placeholders_in
from shared.specification.source import REQUESTS, Source


def unfilled(job: object) -> list[Problem]:
    """One problem for each placeholder that nothing in a job fills. What a named source needs is not known here."""
    if not isinstance(job, (RequestJob, PollJob, InvokeJob)):
        return []
    known = [f"parameters.{name}" for name in job.parameters]
    if isinstance(job, InvokeJob):
        known += dict.fromkeys(f"input.{name}" for one in job.input for name in one)
    problems = []
    for place, name in placeholders_in(job.model_dump(by_alias=True, include=REQUESTS)):
        here = [*known, *_filled_later(place)]
        if name not in here:
            told = ", ".join(f"{{{one}}}" for one in here) or "none"
            problems.append(Problem(place, f"unknown placeholder {{{name}}}; known here: {told}"))
    return problems


def _filled_later(place: str) -> tuple[str, ...]:
    if not place.startswith("/invoke/"):
        return ()
    return IN_SUBMIT if place.startswith("/invoke/submit") else AFTER_IT


def missing_values(source: Source, parameters: Collection[str], inputs: Input | None = None) -> list[Problem]:
    """One problem for each value that a source needs and nobody gives. The inputs of a job replace the source's own."""
    given = [*(f"parameters.{name}" for name in parameters), *IN_SUBMIT, *AFTER_IT]
    given += [f"input.{name}" for one in inputs or source.input or () for name in one]
    found = placeholders_in(source.model_dump(by_alias=True, include=REQUESTS))
    return [
        Problem("/parameters" if name.startswith("parameters.") else "/source", f"{source.source} needs {{{name}}}")
        for name in dict.fromkeys(name for _, name in found)
        if name not in given
    ]
