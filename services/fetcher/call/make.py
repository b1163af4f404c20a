"""One call, from its row to its outcome: build the request, send it, store the page, read the facts, decide."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.fetcher.call.connect import Late
from services.fetcher.call.decide import (
    Answer,
    Elsewhere,
    Empty,
    GiveUp,
    RateLimited,
    RetryAt,
    Setback,
    Succeeded,
    Try,
    Unanswered,
    may_have_it,
    rules_for,
    setback,
)
from services.fetcher.call.egress import EgressRests
from services.fetcher.call.examine import Findings, Question, Reading, examine, reading
from services.fetcher.call.facts import AnswerOrigin
from services.fetcher.call.failures import CallFailed, Exhausted, Failure
from services.fetcher.call.health import vendor_works
from services.fetcher.call.keep import Keeping
from services.fetcher.call.outcome import Page, Tried, give_up, outcome_of
from services.fetcher.call.pauses import spent_until
from services.fetcher.call.prepare import CallbackUrls, prepare
from services.fetcher.call.request import Unsendable
from services.fetcher.call.secrets import SigningSecrets
from services.fetcher.call.transport import SMALL_BYTES, RawAnswer, Transport
from services.fetcher.call.webhooks import judge
from services.fetcher.model import Claimed, Later, Leave, Outcome
from shared.errors import Unavailable
from shared.events.tasks import AnswerWanted, Facts, Purpose, VendorAnswer
from shared.observability.logs import get_logger, task_ids
from shared.payloads.store import PART_BYTES, PayloadStore
from shared.runtime.clock import monotonic, utc_now
from shared.specification.bodies import BodyTooLarge
from shared.specification.vendor import Vendor

_FINAL = frozenset({Failure.BLOCKED, Failure.TOO_LARGE, Failure.INVALID})
_PUT_OFF_SECONDS = 5.0
_LATE = "connect_failed: connecting took longer than a permit lasts"
_UNMARKED = "the mark of the call was over before it was connected"

_READ: frozenset[Purpose] = frozenset({"page", "metadata", "answer"})
"""Calls whose good answers are read."""
_STORED = _READ - {"metadata"}

Body = bytes | AsyncIterator[bytes] | None
"""A body that was read, or that passes in parts; nothing while it is unread."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, or that there was none, and what that means. `back` is what is handed back of it."""

    result: Answer | Unanswered
    decided: Page | Setback
    back: VendorAnswer | None = None


class CallMaker:
    """Makes calls towards any vendor."""

    def __init__(
        self,
        transport: Transport,
        payloads: PayloadStore,
        callbacks: CallbackUrls | None = None,
        signing: SigningSecrets | None = None,
    ) -> None:
        self._transport = transport
        self._keeping = Keeping(payloads)
        self._callbacks = callbacks or CallbackUrls()
        self._signing = signing or SigningSecrets()
        self._rests = EgressRests()
        self._examining = asyncio.Lock()

    @property
    def cannot_store(self) -> bool:
        """Whether answers wait here for the payload store, or it took one in vain a moment ago."""
        return self._keeping.cannot_store

    async def make(self, call: Claimed, leave: Leave) -> Outcome:
        """Make a call, and say whenever it left. Never raises: whatever happens is an outcome."""
        began_at, began = utc_now(), monotonic()
        vendor = call.vendor
        if call.unreadable or vendor is None:
            reason = call.unreadable or "config_missing: the vendor is not configured"
            return give_up(call, reason, Tried(began_at, 0.0), began_at, unknown=call.may_have_left)
        vendor = _policy(call, vendor)
        egress = self._rests.choose(vendor, call.attempt, began_at)
        try:
            request = prepare(call, vendor, self._callbacks, self._signing)
        except Unavailable as error:
            return await _put_off(call, str(error), may_have_left=call.may_have_left)
        if isinstance(request, Unsendable):
            tried = Tried(began_at, 0.0, egress)
            ended = give_up(call, request.reason, tried, began_at, unknown=call.may_have_left)
            return replace(ended, credential_refused=request.no_credential)
        status, answered_at = None, None
        try:
            async with self._transport.send(request, vendor, egress, leave) as answer:
                status, answered_at = answer.status, utc_now()
                judged = await self._handle(call, vendor, answer)
        except (CallFailed, Late) as error:
            if isinstance(error, Late) and leave.counts:
                return await _put_off(call, _UNMARKED, may_have_left=call.may_have_left)
            judged = _lost(call, vendor, _unanswered(error))
        except Unavailable as error:
            may_have_left = call.may_have_left or not isinstance(error, Exhausted)
            return await _put_off(call, str(error), may_have_left=may_have_left)
        sent = may_have_it(judged.result) and not isinstance(judged.decided, RateLimited)
        works = vendor_works(judged.result, judged.decided)
        tried = Tried(began_at, monotonic() - began, egress, status, answered_at, sent=sent, works=works)
        if isinstance(judged.decided, Page):
            tried = replace(tried, spent_until=self._spent(vendor, egress, judged.result))
            return outcome_of(call, judged.decided, tried, utc_now())
        decided = self._decide(call, judged.decided, vendor, status, egress)
        return outcome_of(call, decided, replace(tried, answer=judged.back), utc_now())

    def _decide(self, call: Claimed, decided: Setback, vendor: Vendor, status: int | None, egress: str) -> Setback:
        """What it means for a webhook. An egress that the vendor limits rests, and the call leaves by another one at
        once."""
        now = utc_now()
        if call.request.purpose == "deliver":
            return judge(decided, status, vendor, _try(call), now, random.random())
        if isinstance(decided, RateLimited):
            free_at = self._rests.rest(vendor, egress, decided.until, now)
            return replace(decided, until=free_at) if free_at > now else Elsewhere(decided.reason)
        return decided

    def _spent(self, vendor: Vendor, egress: str, result: Answer | Unanswered) -> datetime | None:
        """Until when the vendor rests after a good answer that used up a quota; while another egress has some left,
        only this one does."""
        if isinstance(result, Unanswered):
            return None
        now, known = utc_now(), max((window.per for window in vendor.budget.windows), default=timedelta())
        until = spent_until(result.headers, now, known, vendor.retry.longest_wait, vendor.budget.reset_header)
        free_at = now if until is None else self._rests.rest(vendor, egress, until, now)
        return free_at if free_at > now else None

    async def _handle(self, call: Claimed, vendor: Vendor, answer: RawAnswer) -> Judged:
        """Judge the answer, and store what is to be stored of it."""
        question, how = _question(call, vendor), reading(call.request, vendor, repeatable=call.repeatable)
        body = await _read(answer, how) if how.first else None
        found = await self._examine(question, answer, body)
        if body is None and isinstance(found.verdict, Succeeded) and call.request.purpose in _READ:
            body = await _read(answer, how)
            found = await self._examine(question, answer, body)
        got = Answer(answer.status, answer.headers)
        if isinstance(found.verdict, (RetryAt, RateLimited, Elsewhere)):
            return Judged(got, found.verdict)
        if call.request.answer is not None:
            back = await self._hand_back(call, call.request.answer, answer, body)
            page = Page(None, None, handed_back=back)
            return Judged(got, found.verdict if isinstance(found.verdict, GiveUp) else page, back)
        if isinstance(found.verdict, GiveUp):
            return Judged(got, found.verdict)
        if found.problem is not None:
            reason, final = f"{found.problem.reason}: {found.problem}", isinstance(found.problem, BodyTooLarge)
            return _lost(call, vendor, Unanswered(reason, sent=True, final=final))
        return Judged(got, await self._page(call, answer, found, body))

    async def _hand_back(self, call: Claimed, wanted: AnswerWanted, answer: RawAnswer, body: Body) -> VendorAnswer:
        """Store the answer as it is, whatever it says: it is what was asked for."""
        pointer = await self._keeping.keep(call, body, answer.media_type) if body else None
        kept = {name.lower(): answer.headers[name.lower()] for name in wanted.headers if name.lower() in answer.headers}
        return VendorAnswer(status=answer.status, headers=kept, body=pointer)

    async def _page(self, call: Claimed, answer: RawAnswer, found: Findings, body: Body) -> Page:
        """What a good answer leaves behind; pages are stored."""
        request = call.request
        if isinstance(found.verdict, Empty):
            return Page(None, Facts(items=0) if request.facts else None, heard=found.heard)
        if body is None or request.purpose not in _STORED:
            return Page(None, found.facts, heard=found.heard)
        return Page(await self._keeping.keep(call, body, answer.media_type), found.facts)

    async def _examine(self, question: Question, answer: RawAnswer, body: Body) -> Findings:
        """Examine an answer, without a body that is not read or passes in parts. A large body is examined in a thread,
        one at a time, because its content takes about ten times its size. The event loop stands still only while the
        body is parsed, and goes on while the content is searched."""
        origin = AnswerOrigin(answer.status, answer.headers, answer.url)
        if not isinstance(body, bytes) or len(body) <= SMALL_BYTES:
            return examine(question, origin, body if isinstance(body, bytes) else None)
        async with self._examining:
            return await asyncio.to_thread(examine, question, origin, body)


def _policy(call: Claimed, vendor: Vendor) -> Vendor:
    """The vendor with the rules and the retry policy that hold for this call. A pause holds for all calls of the
    vendor, so its limit is the vendor's own."""
    rules, retry = rules_for(call.request.purpose, vendor.outcomes), vendor.retry
    if call.request.retry is not None:
        retry = call.request.retry.model_copy(update={"longest_wait": vendor.retry.longest_wait})
    return vendor.model_copy(update={"outcomes": rules, "retry": retry})


async def _read(answer: RawAnswer, how: Reading) -> bytes | AsyncIterator[bytes]:
    return await (answer.stream(PART_BYTES) if how.in_parts else answer.read())


def _question(call: Claimed, vendor: Vendor) -> Question:
    return Question(call.request, vendor, _try(call), utc_now(), random.random())


def _try(call: Claimed) -> Try:
    return Try(call.attempt, call.first_attempt_at, call.limited_since, call.repeatable)


def _lost(call: Claimed, vendor: Vendor, result: Unanswered) -> Judged:
    return Judged(result, setback(result, vendor, _try(call), utc_now(), random.random()))


def _unanswered(error: CallFailed | Late) -> Unanswered:
    if isinstance(error, Late):
        return Unanswered(_LATE, sent=False)
    final = error.failure in _FINAL
    return Unanswered(str(error), sent=error.sent, final=final, is_fault=not final)


async def _put_off(call: Claimed, why: str, *, may_have_left: bool) -> Later:
    """The vendor is not to blame for a secret that cannot be read, a connection that there is no room for, a mark that
    is over, or a payload that cannot be stored: no attempt is counted. The call keeps its place in flight for a while,
    so that others do not meet the same at once."""
    log.warning("call.put_off", **task_ids(call.request), error=why)
    await asyncio.sleep(_PUT_OFF_SECONDS)
    return Later(call, utc_now(), call.attempt, reason=why, may_have_left=may_have_left)
