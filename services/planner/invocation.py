"""Invocations: what is submitted for each input, and what is asked of a vendor's job once it has been. Pure."""

from collections.abc import Iterator, Mapping
from itertools import repeat

from pydantic_core import to_json

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.follow import first_step
from services.planner.paging.step import Step, call_of
from services.planner.placeholders import fill, fill_poll, named
from services.planner.varying import MOST_BYTES, Inputs, input_names, only_varying, too_much
from shared.errors import Problem
from shared.events.tasks import Call
from shared.specification.invoke import IN_SUBMIT, VENDOR_JOB, Invoke
from shared.specification.request import Request
from shared.specification.scalars import Scalar
from shared.specification.source import Poll
from shared.specification.templates import placeholders_in
from shared.specification.vendor import JobOutcome
from shared.specification.waits import silence

_AT = "/invoke"


def plan_submits(resolved: Resolved, inputs: Inputs) -> Step | list[Problem]:
    """One submit for each input, or the mistakes: those of the first input that has any. They are made no further than
    they may be large."""
    invoke, varying = invoke_of(resolved), only_varying(invoke_of(resolved))
    submit = invoke.submit if input_names(invoke.submit) else None
    if problems := too_much((submit, varying.status, varying.abort, varying.results), len(inputs)):
        return problems
    planned: list[PlannedCall] = []
    size = 0
    silent = silence(invoke.model_dump(by_alias=True), resolved.callbacks)
    submits, later = _submits(resolved, inputs), _mistakes_later(resolved, varying, inputs)
    for number, (given, call, mistakes) in enumerate(zip(inputs, submits, later, strict=True), 1):
        problems = [*(call if isinstance(call, list) else ()), *mistakes, *silent]
        if problems or isinstance(call, list):
            return problems
        planned.append(PlannedCall(call, "submit", input=dict(given)))
        size += planned[-1].size
        if size > MOST_BYTES:
            return [_too_large(number, len(inputs), size)]
    return Step(tuple(planned), all_planned=True)


def _submits(resolved: Resolved, inputs: Inputs) -> Iterator[Call | list[Problem]]:
    """The submit of each input, which is filled once if it is the same for all."""
    submit = invoke_of(resolved).submit
    is_same = not input_names(submit)
    for given in inputs:
        filled = fill(submit, _known(resolved, given), f"{_AT}/submit", later=IN_SUBMIT)
        call = call_of(filled) if isinstance(filled, Request) else filled
        if is_same:
            yield from repeat(call, len(inputs))
            return
        yield call


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


def abort_size(resolved: Resolved) -> tuple[int, int]:
    """Bytes of the call that ends a vendor's job, if there is one, at most and without the values of its input; and how
    often these stand in it."""
    abort = invoke_of(resolved).abort
    if abort is None:
        return 0, 0
    values = named(parameters=resolved.parameters)
    written = abort.model_dump(by_alias=True)
    filled = sum(len(to_json(values.get(name, ""))) for _, name in placeholders_in(written))
    return len(to_json(written)) + filled, input_names(abort).total()


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


def _mistakes_later(resolved: Resolved, varying: Invoke, inputs: Inputs) -> Iterator[list[Problem]]:
    """For each input, what would turn out only after its submit. What all inputs have in common is checked for the
    first one, and for one that lacks a value."""
    invoke = invoke_of(resolved)
    names = input_names(invoke.status, invoke.abort, invoke.results).keys()
    of_each = resolved.model_copy(update={"invoke": varying})
    for number, given in enumerate(inputs):
        is_like_first = number > 0 and names <= given.keys()
        yield _mistakes_of(of_each if is_like_first else resolved, given)


def _mistakes_of(resolved: Resolved, given: Mapping[str, Scalar]) -> list[Problem]:
    """Unknown placeholders, values that make a later call unusable, and results that cannot be asked for."""
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
