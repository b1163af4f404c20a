"""Jobs of one call: a request whose answer is handed back, and an outgoing webhook. Pure."""

from datetime import timedelta
from urllib.parse import urlsplit

from services.planner.model import PlannedCall, Resolved, Single
from services.planner.paging.step import Step, call_of
from services.planner.placeholders import fill, named
from shared.errors import Problem
from shared.events.tasks import AnswerWanted, Call
from shared.specification.hosts import ad_hoc_vendor
from shared.specification.job import DeliverJob, RequestJob
from shared.specification.request import Request
from shared.specification.source import Output
from shared.specification.vendor import Backoff, Retry, Vendor

WEBHOOK_RETRY = Retry(
    attempts=10,
    backoff=Backoff(base=timedelta(seconds=10), factor=4, cap=timedelta(hours=6)),
    total=timedelta(hours=24),
)
"""Receivers of webhooks fail for a moment, or are down for an evening: the first wait is some seconds, and all nine are
11 hours together as a rule, and 22 at most."""


def resolve_request(job: RequestJob) -> Resolved | list[Problem]:
    """What a request runs with, its placeholders filled."""
    request = fill(job.request, named(parameters=job.parameters), "/request")
    if not isinstance(request, Request):
        return request
    return Resolved(
        vendor=job.vendor,
        source=f"{job.vendor}{job.request.path}",
        single=Single(kind="request", request=request, answer=job.answer, retry=job.retry),
        output=Output(sinks=(), priority=job.priority, notify=job.notify),
    )


def resolve_webhook(job: DeliverJob, vendor: Vendor | None = None) -> Resolved:
    """What an outgoing webhook runs with. Without a vendor its host gets a careful budget, and must be public. A vendor
    with a policy of its own is tried by that."""
    policy = None if vendor is not None and vendor.retry != Retry() else WEBHOOK_RETRY
    parts = urlsplit(job.deliver)
    base_url = None if job.vendor else f"{parts.scheme}://{parts.netloc}"
    request = Request.model_validate({"method": "POST", "json": job.event})
    return Resolved(
        vendor=job.vendor or ad_hoc_vendor(job.deliver),
        base_url=base_url,
        source=f"{parts.netloc}{parts.path}",
        single=Single(kind="deliver", request=request, url=job.deliver, retry=job.retry or policy, secret=job.secret),
        output=Output(sinks=(), priority="high"),
    )


def first_call(single: Single) -> Step:
    """The only call there is."""
    if single.kind == "request":
        return Step((PlannedCall(call_of(single.request), purpose="answer"),), all_planned=True)
    call = Call(method="POST", url=single.url, body=single.request.json_)
    return Step((PlannedCall(call, purpose="deliver"),), all_planned=True)


def answer_of(resolved: Resolved) -> AnswerWanted | None:
    """What is to be handed back of the answer."""
    single = resolved.single
    return AnswerWanted(headers=single.answer.headers) if single and single.kind == "request" else None
