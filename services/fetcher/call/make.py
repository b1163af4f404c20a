"""One call, from its row to its outcome: build the request, send it, store the page, read the facts, decide."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.fetcher.call.decide import Answered as GotAnswer
from services.fetcher.call.decide import Empty, GiveUp, RateLimited, RetryAt, Succeeded, Try, Unanswered, verdict
from services.fetcher.call.facts import Source, read_facts
from services.fetcher.call.messages import changed, given_up, stored
from services.fetcher.call.request import HttpRequest, Refused, build_request
from services.fetcher.call.secrets import resolve_auth
from services.fetcher.call.transport import Answer, CallFailed, Failure, Transport
from services.fetcher.call.vendor_jobs import PURPOSES, Heard, call_of, is_unknown, read_heard
from services.fetcher.metrics import PAYLOAD_BYTES, REQUEST_SECONDS, REQUESTS
from services.fetcher.model import Answered, Claimed, Later, Outcome
from shared.errors import Unavailable
from shared.events.payloads import Pointer
from shared.events.tasks import Attempt, Facts, TaskState
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger
from shared.payloads.store import PayloadStore
from shared.runtime.clock import monotonic, utc_now
from shared.secrets import SecretMissing, resolve
from shared.specification.bodies import BodyUnreadable, read_json, unreadable
from shared.specification.vendor import Vendor

_SMALL_BYTES = 1024**2
_FINAL = frozenset({Failure.BLOCKED, Failure.TOO_LARGE, Failure.INVALID})
_STORE_PAUSE_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What a successful answer left behind."""

    pointer: Pointer | None
    facts: Facts | None
    empty: bool = False
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """When a try began, and for how long it took."""

    began_at: datetime
    seconds: float
    egress: str


@dataclass(frozen=True, slots=True)
class CallbackUrls:
    """What callback URLs are made of: where vendors reach the gateway, and a reference to the key."""

    gateway_url: str = ""
    key_reference: str = ""

    def key(self) -> bytes:
        """The key, looked up anew each time, so that it can be changed.

        Raises:
            SecretMissing: there is none.
        """
        if not self.key_reference:
            raise SecretMissing("SLUICE_CALLBACK_KEY is not set: no callback URL can be made")
        return resolve(self.key_reference).encode()


class CallMaker:
    """Makes calls towards any vendor."""

    def __init__(self, transport: Transport, payloads: PayloadStore, callbacks: CallbackUrls = CallbackUrls()) -> None:
        self._transport = transport
        self._payloads = payloads
        self._callbacks = callbacks

    async def make(self, call: Claimed, left: Callable[[], None]) -> Outcome:
        """Make a call, and say whenever it left. Never raises: whatever happens is an outcome."""
        began_at, began = utc_now(), monotonic()
        vendor = call.vendor
        if vendor is None:
            return _give_up(call, "config_missing: the vendor is not configured", None, Timing(began_at, 0.0, "direct"))
        egress = vendor.egress[(call.attempt - 1) % len(vendor.egress)]
        request = _prepare(call, vendor, self._callbacks)
        if isinstance(request, Refused):
            return _give_up(call, request.reason, None, Timing(began_at, 0.0, egress))
        page: Page | None = None
        status: int | None = None
        result: GotAnswer | Unanswered
        try:
            async with self._transport.send(request, vendor, egress, left) as answer:
                status = answer.status
                result, page = await self._take(call, vendor, answer)
        except CallFailed as error:
            result = Unanswered(str(error), sent=error.sent, final=error.failure in _FINAL)
        except Unavailable as error:
            log.warning("payload.not_stored", task_id=str(call.request.task_id), error=str(error))
            return Later(call, utc_now(), call.attempt, reason="payload store unavailable")
        timing = Timing(began_at, monotonic() - began, egress)
        this = Try(call.attempt, call.first_attempt_at, call.limited_since, call.repeatable)
        decided = page or verdict(result, vendor, this, utc_now(), random.random())
        return _outcome(call, decided, status, timing, sent=isinstance(result, Unanswered) and result.sent)

    async def _take(self, call: Claimed, vendor: Vendor, answer: Answer) -> tuple[GotAnswer | Unanswered, Page | None]:
        """Read the answer; the page is stored only when the verdict is success and the body is what was asked for."""
        judged = any("body" in rule.when for rule in vendor.outcomes) or call.request.purpose in PURPOSES
        fails = not 200 <= answer.status < 300
        if not fails and not judged and call.request.facts is None and not _is_small(answer):
            pointer = await self._put(call, answer, answer.pieces)
            return GotAnswer(answer.status, answer.headers, lambda: None), Page(pointer, None)
        if fails and not judged:
            return GotAnswer(answer.status, answer.headers, lambda: None), None
        body = await answer.read()
        got = GotAnswer(answer.status, answer.headers, lambda: _content(body))
        this = Try(call.attempt, call.first_attempt_at, call.limited_since, call.repeatable)
        match verdict(got, vendor, this, utc_now(), 0.0):
            case Succeeded() | Empty() if call.request.purpose in PURPOSES:
                heard = read_heard(call.request, answer.status, answer.headers, _content(body))
                return got, Page(None, None, heard=heard)
            case Succeeded():
                problem = unreadable(body, whole=call.request.facts is not None)
                if problem:
                    return Unanswered(f"vendor_malformed: {problem}", sent=True), None
                source = Source(answer.status, answer.headers, answer.url)
                facts = read_facts(call.request.facts, source, body) if call.request.facts else None
                if call.request.purpose == "metadata":
                    return got, Page(None, facts)
                return got, Page(await self._put(call, answer, body), facts)
            case Empty():
                return got, Page(None, Facts(items=0), empty=True)
            case _:
                return got, None

    async def _put(self, call: Claimed, answer: Answer, body: Any) -> Pointer:
        name = f"{call.request.number}-{call.request.round}"
        pointer = await self._payloads.put(call.request.job_id, name, body, media_type=answer.media_type)
        PAYLOAD_BYTES.labels(vendor=call.request.vendor).inc(pointer.size)
        return pointer


def _is_small(answer: Answer) -> bool:
    length = answer.headers.get("content-length", "")
    return length.isdecimal() and int(length[:15]) <= _SMALL_BYTES


def _content(body: bytes) -> Any:
    try:
        return read_json(body)
    except BodyUnreadable:
        return None


def _prepare(call: Claimed, vendor: Vendor, callbacks: CallbackUrls) -> HttpRequest | Refused:
    try:
        secrets = resolve_auth(vendor.auth)
        asked = call_of(call.request, callbacks.gateway_url, callbacks.key, utc_now())
    except SecretMissing as error:
        return Refused(f"secret_missing: {error}")
    return asked if isinstance(asked, Refused) else build_request(asked, vendor, secrets, call.request.job_id)


def _outcome(
    call: Claimed,
    decided: Page | Succeeded | Empty | RetryAt | RateLimited | GiveUp,
    status: int | None,
    timing: Timing,
    *,
    sent: bool,
) -> Outcome:
    now = utc_now()
    between = TaskState.WAITING if call.request.purpose in ("status", "abort") else TaskState.RETRYING
    match decided:
        case Page():
            attempt = _attempt(call, "succeeded", "", status, timing)
            return Answered(call, tuple(_succeeded(call, decided, attempt, now)), attempt, succeeded=True)
        case RetryAt(when=when, reason=reason):
            attempt = _attempt(call, "retry", reason, status, timing)
            told = changed(call, between, now, attempt=attempt)
            return Later(call, when, call.attempt + 1, (told,), attempt, reason=reason)
        case RateLimited(until=until, reason=reason):
            attempt = _attempt(call, "rate_limited", reason, status, timing)
            told = changed(call, between, now, attempt=attempt)
            return Later(call, until, call.attempt, (told,), attempt, limited=True, reason=reason)
        case GiveUp(reason=reason):
            return _give_up(call, reason, status, timing, unknown=is_unknown(reason, sent=sent))
        case Succeeded() | Empty():
            return _give_up(call, "protocol_error: an answer without a page", status, timing)


def _succeeded(call: Claimed, page: Page, attempt: Attempt, now: datetime) -> list[Outgoing]:
    """What becomes visible, in order; a page that needs no processing is complete at once."""
    if page.heard is not None:
        return [changed(call, TaskState.WAITING, now, attempt=attempt, heard=page.heard)]
    if page.pointer is None:
        return [changed(call, TaskState.COMPLETED, now, attempt=attempt, facts=page.facts, records=0)]
    return [
        changed(call, TaskState.STORED, now, attempt=attempt, facts=page.facts),
        stored(call, page.pointer, now),
        changed(call, TaskState.ENQUEUED, now),
    ]


def _give_up(call: Claimed, reason: str, status: int | None, timing: Timing, *, unknown: bool = False) -> Answered:
    now = utc_now()
    attempt = _attempt(call, "give_up", reason, status, timing)
    place = {"task_id": str(call.request.task_id), "job_id": str(call.request.job_id)}
    log.warning("call.given_up", **place, purpose=call.request.purpose, reason=reason)
    return Answered(call, given_up(call, reason, attempt, now, unknown=unknown), attempt, succeeded=False)


def _attempt(call: Claimed, verdict_name: str, reason: str, status: int | None, timing: Timing) -> Attempt:
    REQUESTS.labels(vendor=call.request.vendor, verdict=verdict_name).inc()
    REQUEST_SECONDS.labels(vendor=call.request.vendor).observe(timing.seconds)
    return Attempt(
        attempt=call.attempt,
        started_at=timing.began_at,
        seconds=round(timing.seconds, 6),
        egress=timing.egress,
        status=status,
        verdict=verdict_name,
        reason=reason[:500],
    )
