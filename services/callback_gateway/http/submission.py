"""A new job, from the request to its place: checked, durable, visible."""

import asyncio
import hashlib
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from services.callback_gateway.http import store
from services.callback_gateway.http.body import read_json_body
from services.callback_gateway.http.body_budget import body_share
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.prefer_wait import PreferWait
from services.callback_gateway.http.problems import Refusal
from shared.errors import Invalid, Problem, Unavailable
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.jobs import JobRequested
from shared.ids import derived_id, new_id
from shared.messaging.handler import outgoing
from shared.specification.addresses import is_public, literal_address
from shared.specification.invoke import Input
from shared.specification.job import DeliverJob, SourceJob, UrlJob
from shared.specification.notify import Notify, Webhook, leads_to
from shared.specification.placeholders import missing_values, read_job

_LONGEST_KEY = 255
_CLAIM_SECONDS = 3.0
_JOB = "job\n"
"""No key that a request may bring begins like that."""
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeat a request with the same key and body, and it is the same job",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[ -~]*$"},
}
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: rather wait for the end of the job, N seconds at most (RFC 7240)",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
}


class Submission:
    """Takes jobs."""

    def __init__(self, context: ApiContext, waiting: PreferWait) -> None:
        self._context = context
        self._waiting = waiting

    async def answer(self, request: Request) -> Response:
        """Check a job specification, make it durable, answer with the job's place. All mistakes are told at once.
        With `Prefer: wait=N` the answer comes when the job is over, if that is within N seconds."""
        job_id, kind, replayed = await self._accept(request)
        body_share(request.scope).release()
        answer = await self._waiting.preferred(request, job_id) or accepted(job_id, kind)
        if replayed:
            answer.headers["Idempotency-Replayed"] = "true"
        return answer

    async def _accept(self, request: Request) -> tuple[UUID, str, bool]:
        """The job's id, its kind, and whether it was asked for before. Its body is forgotten with the return: who waits
        for a job holds none."""
        body, found = await read_json_body(request, self._context.settings)
        job = read_job(found)
        await check(self._context, job)
        wanted = job.id or new_id()
        key = idempotency_key(request)
        replayed = job.id is not None and await self._is_repeated(job.id, body)
        if key is not None:
            wanted, replayed = await claim(self._context, key, hashlib.sha256(body).digest(), wanted)
        kind = self._context.configuration.kind_of(job)
        await self._request(wanted, kind, found)
        return wanted, kind, replayed

    async def _is_repeated(self, job_id: UUID, body: bytes) -> bool:
        """Whether a job that brings its id was asked for before. Consumers go by the id alone: another document under
        it would be dropped in silence. A database that is away is no reason to refuse it."""
        try:
            _, replayed = await claim(self._context, f"{_JOB}{job_id}", hashlib.sha256(body).digest(), job_id, "id")
        except Unavailable:
            return False
        return replayed

    async def _request(self, job_id: UUID, kind: str, document: dict[str, Any]) -> None:
        """Durable first, then visible."""
        event = JobRequested.model_validate({**document, "id": job_id})
        message = outgoing(JOBS_REQUESTED, job_id, event, id=derived_id("job.requested", job_id))
        await self._context.outbound.send([message])
        await self._context.job_rows.show(job_id, kind)


async def check(context: ApiContext, job: Any) -> None:
    """See what can be known of a job without asking anyone else.

    Raises:
        Invalid: it names what nobody has configured, or an address that is not public, or lacks a value.
    """
    if not isinstance(job, (DeliverJob, SourceJob)):
        await check_notices(context, job.notify, "/notify")
    if isinstance(job, UrlJob):
        _check_public(job.url, "/url")
        return
    if isinstance(job, DeliverJob) and job.vendor is None:
        _check_public(job.deliver, "/deliver")
        return
    try:
        missing = await context.configuration.missing(job)
        if missing is None and isinstance(job, SourceJob):
            await check_values(context, job.source, job.parameters, job.input)
        named = job.vendor if missing is None and isinstance(job, DeliverJob) else None
        vendor = await context.configuration.vendor(named) if named else None
    except Unavailable:
        return  # the planner checks again; a database that is away is no reason to refuse what the broker can keep
    problems = [] if missing is None else [missing]
    if vendor is not None and not leads_to(job.deliver, vendor.base_url):
        problems.append(Problem("/deliver", f"expected a URL of {vendor.vendor}, which is at {vendor.base_url}"))
    if problems:
        raise Invalid(problems)


async def check_notices(context: ApiContext, notices: Notify, pointer: str) -> None:
    """See that whoever is to be told can be told: a webhook is delivered by a job of its own.

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
        if not problems:
            return
        if not is_fresh:
            await context.configuration.refresh()
    raise Invalid(problems)


def _check_public(url: str, pointer: str) -> None:
    address = literal_address(urlsplit(url).hostname or "")
    if address is not None and not is_public(address):
        raise Invalid([Problem(pointer, "expected a public address; private ones need a vendor that allows them")])


async def claim(
    context: ApiContext, key: str, fingerprint: bytes, wanted: UUID, called: str = "Idempotency-Key"
) -> tuple[UUID, bool]:
    """The job of an idempotency key: the unique index decides who came first. The first job may be asked for again,
    in case its request never reached the broker; the planner drops what it has had.

    Raises:
        Refusal: it was used with another body.
        Unavailable: the database does not answer, or not in time.
    """
    try:
        async with asyncio.timeout(_CLAIM_SECONDS), context.database.transaction() as tx:
            claim = await store.claim_key(tx, key, fingerprint, wanted)
    except TimeoutError:
        raise Unavailable("Postgres: a key was not claimed in time") from None
    if claim.fingerprint != fingerprint:
        raise Refusal(422, f"this {called} was used with another body")
    return claim.job_id, claim.replayed


def idempotency_key(request: Request) -> str | None:
    """The request's own key, if it has one.

    Raises:
        Refusal: it is none that can be kept.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal(400, f"Idempotency-Key: expected 1 to {_LONGEST_KEY} printable ASCII characters")
    return key


def accepted(job_id: UUID, kind: str) -> Response:
    """The answer to a job that is kept: its place, and when a look is worth it."""
    place = f"/jobs/{job_id}"
    links = {"self": place, "tasks": f"{place}/tasks", "events": f"{place}/events"}
    body = orjson.dumps({"id": str(job_id), "kind": kind, "status": "requested", "links": links})
    return Response(body, 202, headers={"Location": place, "Retry-After": "1"}, media_type="application/json")
