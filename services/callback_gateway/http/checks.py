"""What of a job can be checked before anybody is asked for it: names, addresses, values, whom to tell."""

import asyncio
from collections.abc import Collection
from typing import Any

from services.callback_gateway.http.context import ApiContext
from shared.errors import Invalid, Problem, Unavailable
from shared.specification.hosts import host_mistakes
from shared.specification.invoke import Input
from shared.specification.job import DeliverJob, InvokeJob, SourceJob, UrlJob
from shared.specification.mistakes import input_of_poll
from shared.specification.notify import Notify, Webhook
from shared.specification.placeholders import missing_values
from shared.specification.source import Source
from shared.specification.vendor import Vendor
from shared.specification.waits import wait_mistakes

_PATIENCE_SECONDS = 1.0


async def check(context: ApiContext, job: Any) -> None:
    """See what can be known of a job without asking anyone else.

    Raises:
        Invalid: it names what nobody has configured, or an address that is not its vendor's, or lacks a value.
    """
    if not isinstance(job, DeliverJob):
        await check_notices(context, job.notify, "/notify")
    if isinstance(job, UrlJob) or (isinstance(job, DeliverJob) and job.vendor is None):
        return
    try:
        missing = await context.configuration.missing(job)
        if missing is None and isinstance(job, SourceJob):
            await check_values(context, job.source, job.parameters, job.input)
        vendor = await _vendor_of(context, job) if missing is None else None
    except (Unavailable, TimeoutError):
        return  # the planner checks again; a database that is away is no reason to refuse what the broker can keep
    problems = [] if missing is None else [missing]
    if vendor is not None:
        problems += _mistakes_with(vendor, job)
    if problems:
        raise Invalid(problems)


async def _vendor_of(context: ApiContext, job: Any) -> Vendor | None:
    """The vendor that a job names, if only its rules tell whether the job is good."""
    if not isinstance(job, (DeliverJob, InvokeJob)) or job.vendor is None:
        return None
    async with asyncio.timeout(_PATIENCE_SECONDS):
        return await context.configuration.vendor(job.vendor)


def _mistakes_with(vendor: Vendor, work: DeliverJob | InvokeJob | Source) -> list[Problem]:
    """What is wrong with a job or source only by what its vendor says."""
    if isinstance(work, DeliverJob):
        return host_mistakes(work.deliver, vendor)
    return [] if work.invoke is None else wait_mistakes(work.invoke.model_dump(by_alias=True), vendor.callbacks)


async def check_waits(context: ApiContext, source: Source) -> None:
    """See that something ends the waits for the vendor's jobs of a source.

    Raises:
        Invalid: nothing does.
    """
    vendor = None if source.invoke is None else await context.configuration.vendor(source.vendor)
    problems = [] if vendor is None else _mistakes_with(vendor, source)
    if problems:
        raise Invalid(problems)


async def check_notices(context: ApiContext, notices: Notify, pointer: str) -> None:
    """See that every notice can be sent: a webhook is delivered by a job of its own.

    Raises:
        Invalid: it leads nowhere.
    """
    problems = []
    for index, notice in enumerate(notices):
        if not isinstance(notice, Webhook):
            continue
        try:
            await check(context, DeliverJob(deliver=notice.webhook, vendor=notice.vendor, event={}))
        except Invalid as error:
            fields = {"/deliver": "webhook", "/vendor": "vendor"}
            problems += [Problem(f"{pointer}/{index}/{fields[one.pointer]}", one.detail) for one in error.problems]
    if problems:
        raise Invalid(problems)


async def check_values(
    context: ApiContext, source: str, parameters: Collection[str], inputs: Input | None = None
) -> None:
    """See that a source will get what its placeholders need; of one that cannot be read nothing is known.

    Raises:
        Invalid: it will not; the places are below that of whoever names the source.
    """
    for is_fresh in (False, True):
        found = await context.configuration.source(source)
        problems = [] if found is None else missing_values(found, parameters, inputs)
        if found is not None and found.invoke is None and inputs is not None:
            problems.append(input_of_poll(source))
        if not problems:
            return
        if not is_fresh:
            await context.configuration.refresh_to_refuse()
    raise Invalid(problems)
