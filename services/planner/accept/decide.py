"""Whether a requested job is accepted, and what it runs with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from pydantic import ValidationError

from services.planner.accept.sizes import oversized
from services.planner.invocation import plan_submits
from services.planner.model import Resolved, Task, number_tasks
from services.planner.paging.follow import first_step
from services.planner.paging.step import Step
from services.planner.placeholders import fill_poll, named
from services.planner.single import first_call, resolve_request, resolve_webhook
from shared.errors import Invalid, Problem
from shared.specification.hosts import ad_hoc_vendor, host_mistakes
from shared.specification.invoke import Invoke
from shared.specification.job import DeliverJob, InvokeJob, JobSpecification, PollJob, RequestJob, SourceJob, UrlJob
from shared.specification.mistakes import input_of_poll, unknown
from shared.specification.notify import Notify
from shared.specification.placeholders import read_job
from shared.specification.request import AutoPages, Request
from shared.specification.scalars import QueryValue
from shared.specification.source import Output, Poll, Source
from shared.specification.vendor import Vendor


@dataclass(frozen=True, slots=True)
class Admitted:
    """The job, as it runs, with its first tasks. `resolved_json`: what it runs with, as it is written down."""

    job_id: UUID
    resolved: Resolved
    resolved_json: bytes
    step: Step
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The specification has mistakes."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A vendor or source that is not configured, or not yet, or not readably: configuration may be on its way."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Configured:
    """What is configured; vendors as JSON. `unreadable`: sources that this release cannot read."""

    vendors: Mapping[str, bytes]
    sources: Mapping[str, Source]
    unreadable: frozenset[str] = frozenset()


def names_in(document: Mapping[str, Any]) -> tuple[str, str]:
    """The source and vendor that a document speaks of, if they are names at all."""
    source, vendor = document.get("source"), document.get("vendor")
    return (source if isinstance(source, str) else "", vendor if isinstance(vendor, str) else "")


def admit(
    job_id: UUID, document: Mapping[str, Any], known: Configured, correlation_id: UUID | None = None
) -> Admitted | Refused | Unknown:
    """Check a specification and resolve it into what the job runs with."""
    try:
        job = read_job(dict(document))
    except Invalid as error:
        return Refused(error.problems)
    resolved = _resolve(job, known)
    if not isinstance(resolved, Resolved):
        return resolved
    if correlation_id is not None:
        resolved = resolved.model_copy(update={"correlation_id": correlation_id})
    step = _first(job, resolved, known)
    if not isinstance(step, Step):
        return Refused(tuple(step))
    resolved_json = resolved.model_dump_json(by_alias=True, exclude_defaults=True).encode()
    if problems := oversized(resolved, resolved_json, step.calls):
        return Refused(problems)
    return Admitted(job_id, resolved, resolved_json, step, tuple(number_tasks(job_id, list(step.calls), 0)))


def _first(job: JobSpecification, resolved: Resolved, known: Configured) -> Step | list[Problem]:
    """What can be called at once: at least one call, or the mistakes. A job without calls would never end."""
    if resolved.single is not None:
        return first_call(resolved.single)
    if resolved.invoke is None:
        step = first_step(resolved)
        return [Problem("/poll/request", step.problem)] if step.problem else step
    assert isinstance(job, (SourceJob, InvokeJob))
    saved = known.sources[job.source].input if isinstance(job, SourceJob) else None
    return plan_submits(resolved, job.input or saved or ({},))


def _resolve(job: JobSpecification, known: Configured) -> Resolved | Refused | Unknown:
    match job:
        case UrlJob():
            return _from_url(job)
        case RequestJob() | DeliverJob():
            return _resolve_single(job, known)
        case SourceJob():
            source = known.sources.get(job.source)
            if job.source in known.unreadable:
                return Unknown(_unreadable("source", job.source))
            if source is None:
                return Unknown(unknown("source", job.source, known.sources))
            return _resolve_work(job, source, job.source, known)
        case InvokeJob():
            return _resolve_work(job, job, f"{job.vendor}{job.invoke.submit.path}", known)
        case PollJob():
            return _resolve_work(job, job, f"{job.vendor}{job.poll.request.path}", known)


def _resolve_single(job: RequestJob | DeliverJob, known: Configured) -> Resolved | Refused | Unknown:
    if job.vendor is not None and job.vendor not in known.vendors:
        return Unknown(unknown("vendor", job.vendor, known.vendors))
    if isinstance(job, RequestJob):
        resolved = resolve_request(job)
        return resolved if isinstance(resolved, Resolved) else Refused(tuple(resolved))
    if job.vendor is None:
        return resolve_webhook(job)
    vendor = _read_vendor(job.vendor, known)
    if isinstance(vendor, Unknown):
        return vendor
    if problems := host_mistakes(job.deliver, vendor):
        return Refused(tuple(problems))
    return resolve_webhook(job, vendor)


def _resolve_work(
    job: SourceJob | PollJob | InvokeJob, work: Source | PollJob | InvokeJob, name: str, known: Configured
) -> Resolved | Refused | Unknown:
    """`work` says what to do: the job itself, or the source that it names."""
    if work.vendor not in known.vendors:
        return Unknown(unknown("vendor", work.vendor, known.vendors))
    resolved = Resolved(vendor=work.vendor, source=name, output=_output(work, job.notify or work.notify))
    match work:
        case PollJob(poll=Poll() as poll) | Source(poll=Poll() as poll):
            return _resolve_poll(job, resolved, poll)
        case _:
            return _resolve_invoke(job, resolved, work.invoke, known)


def _resolve_poll(job: SourceJob | PollJob | InvokeJob, resolved: Resolved, poll: Poll) -> Resolved | Refused:
    if isinstance(job, SourceJob) and job.input is not None:
        return Refused((input_of_poll(job.source),))
    filled = fill_poll(resolved, poll, named(parameters=job.parameters), "/poll")
    return Refused(tuple(filled)) if isinstance(filled, list) else filled


def _resolve_invoke(
    job: SourceJob | PollJob | InvokeJob, resolved: Resolved, invoke: Invoke | None, known: Configured
) -> Resolved | Unknown:
    vendor = _read_vendor(resolved.vendor, known)
    if isinstance(vendor, Unknown):
        return vendor
    more = {"invoke": invoke, "parameters": job.parameters, "callbacks": vendor.callbacks}
    return resolved.model_copy(update=more)


def _read_vendor(name: str, known: Configured) -> Vendor | Unknown:
    """A vendor that is configured."""
    try:
        return Vendor.model_validate_json(known.vendors[name])
    except ValidationError:
        return Unknown(_unreadable("vendor", name))


def _unreadable(kind: str, name: str) -> Problem:
    return Problem(
        f"/{kind}", f"this release cannot read the {kind} {name}, which an older one wrote down; apply it again"
    )


def _from_url(job: UrlJob) -> Resolved:
    parts = urlsplit(job.url)
    request = Request.model_construct(method="GET", path=parts.path or "/", query=_query_of(parts.query), headers={})
    poll = Poll.model_construct(request=request, pages=job.pages or AutoPages(style="auto"), records=job.records)
    return Resolved.model_construct(
        vendor=ad_hoc_vendor(job.url),
        base_url=f"{parts.scheme}://{parts.netloc}",
        source=f"{parts.netloc}{parts.path}",
        poll=poll,
        pages=None,
        output=_output(job, job.notify),
    )


def _query_of(text: str) -> dict[str, QueryValue]:
    found = {name: tuple(values) for name, values in parse_qs(text, keep_blank_values=True).items()}
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _output(job: Output, notify: Notify) -> Output:
    """The part of a job or source that says what becomes of its records and who hears of its end."""
    return Output(sinks=job.sinks, payloads=job.payloads, tolerate=job.tolerate, priority=job.priority, notify=notify)
