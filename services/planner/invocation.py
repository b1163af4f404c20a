"""Invocations: what is submitted for each input, and what is asked of a vendor's job once it has been. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.follow import first_step
from services.planner.paging.step import Step, call_of
from services.planner.placeholders import fill, fill_poll, named
from shared.errors import Problem
from shared.events.tasks import Call
from shared.specification.invoke import IN_SUBMIT, VENDOR_JOB, Invoke
from shared.specification.request import Request
from shared.specification.source import Poll
from shared.specification.templates import placeholders_in
from shared.specification.values import Scalar
from shared.specification.vendor import JobOutcome
from shared.specification.waits import silence

_AT = "/invoke"
MOST_BYTES = 32 * 2**20
"""Of the submits of one job together. They are planned by one statement, and held several times until it is sent."""

MOST_WRITTEN, MOST_FILLED = 2 * MOST_BYTES, 1_000_000
"""Bytes of an invocation as it is written, and its placeholders, each times the inputs. Every input fills all of it,
and the planner does nothing else meanwhile."""

Inputs = Sequence[Mapping[str, Scalar]]


def plan_submits(resolved: Resolved, inputs: Inputs) -> Step | list[Problem]:
    """One submit for each input, or the mistakes: those of the first input that has any. They are made no further than
    they may be large."""
    invoke = invoke_of(resolved)
    planned: list[PlannedCall] = []
    size = 0
    written = invoke.model_dump(by_alias=True)
    if problem := _too_much(invoke, written, len(inputs)):
        return [problem]
    silent = silence(written, resolved.callbacks)
    for number, given in enumerate(inputs):
        submit = fill(invoke.submit, _known(resolved, given), f"{_AT}/submit", later=IN_SUBMIT)
        problems = submit if isinstance(submit, list) else []
        problems = [*problems, *_mistakes_later(resolved, given), *silent]
        if problems or not isinstance(submit, Request):
            return problems
        planned.append(PlannedCall(call_of(submit), "submit", input=dict(given)))
        size += planned[-1].size
        if size > MOST_BYTES:
            return [_too_large(number + 1, len(inputs), size)]
    return Step(tuple(planned), all_planned=True)


def _too_much(invoke: Invoke, written: Mapping[str, Any], inputs: int) -> Problem | None:
    """The problem of an invocation that would take too long to fill for all of the inputs."""
    size, placeholders = len(invoke.model_dump_json(by_alias=True)), sum(1 for _ in placeholders_in(written))
    for found, most, what in ((size, MOST_WRITTEN, "bytes"), (placeholders, MOST_FILLED, "placeholders")):
        if inputs > 1 and found * inputs > most:
            expected = f"expected at most {most} {what} for all inputs together"
            return Problem("/input", f"too_large: the invocation has {found} {what}, for {inputs} inputs; {expected}")
    return None


def _too_large(made: int, inputs: int, size: int) -> Problem:
    found = f"the submits of the first {made} of {inputs} make {size} bytes"
    return Problem("/input", f"too_large: {found}; expected at most {MOST_BYTES} of all")


def invoke_of(resolved: Resolved) -> Invoke:
    """The invocation of a job that has one."""
    assert resolved.invoke is not None
    return resolved.invoke


def outcome_of_status(resolved: Resolved) -> JobOutcome:
    """How an answer about the status is read: by rules of its own, else as callbacks are."""
    status, rules = invoke_of(resolved).status, resolved.callbacks.outcome
    if status is None or (status.done is None and status.failed is None):
        return rules
    return JobOutcome(done=status.done, failed=status.failed, progress=rules.progress)


def status_call(resolved: Resolved, given: Mapping[str, Scalar], vendor_job: str | None) -> Call | None:
    """The question for the status, if it can be asked already."""
    status = invoke_of(resolved).status
    return None if status is None else _call(resolved, status.request, given, vendor_job)


def abort_call(resolved: Resolved, given: Mapping[str, Scalar], vendor_job: str | None) -> Call | None:
    """The call that ends a vendor's job, if there is one and the job is known."""
    abort = invoke_of(resolved).abort
    return None if abort is None else _call(resolved, abort, given, vendor_job)


def resolve_results(resolved: Resolved, given: Mapping[str, Scalar], vendor_job: str | None) -> Resolved | None:
    """What the pages of one vendor job's results are read with; nothing while the id that it needs is not known."""
    filled = _fill_results(resolved, _known(resolved, given, vendor_job))
    return filled if isinstance(filled, Resolved) else None


def _fill_results(resolved: Resolved, values: Mapping[str, Scalar]) -> Resolved | list[Problem]:
    invoke = invoke_of(resolved)
    if invoke.results is None:
        return []
    results = invoke.results
    poll = Poll.model_construct(request=results.request, pages=results.pages, records=invoke.records)
    return fill_poll(resolved, poll, values, f"{_AT}/results")


def _call(resolved: Resolved, request: Request, given: Mapping[str, Scalar], vendor_job: str | None) -> Call | None:
    filled = fill(request, _known(resolved, given, vendor_job), _AT)
    return call_of(filled) if isinstance(filled, Request) else None


def _known(resolved: Resolved, given: Mapping[str, Scalar], vendor_job: str | None = None) -> dict[str, Scalar]:
    values = named(parameters=resolved.parameters, input=given)
    return values if vendor_job is None else {**values, VENDOR_JOB: vendor_job}


def _mistakes_later(resolved: Resolved, given: Mapping[str, Scalar]) -> list[Problem]:
    """What would turn out only after the submit: unknown placeholders, and results that cannot be asked for."""
    invoke = invoke_of(resolved)
    vendor_job = "1" if invoke.vendor_job or resolved.callbacks.vendor_job else None
    values = _known(resolved, given, vendor_job)
    requests = {
        "status/request": invoke.status and invoke.status.request,
        "abort": invoke.abort,
    }
    filled = [fill(request, values, f"{_AT}/{place}") for place, request in requests.items() if request]
    problems = [problem for part in filled if isinstance(part, list) for problem in part]
    return [*problems, *_mistakes_of_results(resolved, values)]


def _mistakes_of_results(resolved: Resolved, values: Mapping[str, Scalar]) -> list[Problem]:
    results = _fill_results(resolved, values)
    if isinstance(results, list):
        return results
    problem = first_step(results).problem
    return [Problem(f"{_AT}/results/request", problem)] if problem else []
