"""One call, from its row to its outcome: build the request, send it, store the page, read the facts, decide."""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.fetcher.call.connect import Late
from services.fetcher.call.decide import (
    Answer,
    Elsewhere,
    Empty,
    GiveUp,
    RateLimited,
    Setback,
    Succeeded,
    Try,
    Unanswered,
    may_have_it,
    rules_for,
    setback,
)
from services.fetcher.call.egress import EgressRests
from services.fetcher.call.examine import Findings, Question, examine
from services.fetcher.call.facts import AnswerOrigin
from services.fetcher.call.failures import CallFailed, Exhausted, Failure
from services.fetcher.call.keep import Keeping
from services.fetcher.call.outcome import Page, Tried, give_up, outcome_of
from services.fetcher.call.pauses import spent_until
from services.fetcher.call.prepare import CallbackUrls, prepare
from services.fetcher.call.request import Unsendable
from services.fetcher.call.secrets import SigningSecrets
from services.fetcher.call.transport import SMALL_BYTES, RawAnswer, Transport
from services.fetcher.call.vendor_jobs import PURPOSES
from services.fetcher.call.webhooks import judge
from services.fetcher.model import Claimed, Later, Leave, Outcome
from shared.errors import Unavailable
from shared.events.tasks import Facts, VendorAnswer
from shared.observability.logs import get_logger
from shared.payloads.store import PART_BYTES, PayloadStore
from shared.runtime.clock import monotonic, utc_now
from shared.specification.bodies import BodyTooLarge
from shared.specification.vendor import Vendor

_FINAL = frozenset({Failure.BLOCKED, Failure.TOO_LARGE, Failure.INVALID})
_PUT_OFF_SECONDS = 5.0
_LATE = "connect_failed: connecting took longer than a permit lasts"

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
        if call.unreadable:
            return give_up(call, call.unreadable, Tried(began_at, 0.0), began_at, unknown=call.may_have_left)
        if vendor is None:
            return give_up(call, "config_missing: the vendor is not configured", Tried(began_at, 0.0), began_at)
        vendor = _policy(call, vendor)
        egress = self._rests.choose(vendor, call.attempt, began_at)
        request = prepare(call, vendor, self._callbacks, self._signing)
        if isinstance(request, Unsendable):
            return give_up(call, request.reason, Tried(began_at, 0.0, egress), began_at)
        status, answered_at = None, None
        take = self._take if call.request.answer is None else self._take_back
        try:
            async with self._transport.send(request, vendor, egress, leave) as answer:
                status, answered_at = answer.status, utc_now()
                judged = await take(call, vendor, answer)
        except (CallFailed, Late) as error:
            judged = _lost(call, vendor, _unanswered(error))
        except Unavailable as error:
            return await _put_off(call, error)
        tried = Tried(began_at, monotonic() - began, egress, status, answered_at, sent=may_have_it(judged.result))
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

    async def _take_back(self, call: Claimed, vendor: Vendor, answer: RawAnswer) -> Judged:
        """Store the answer as it is, whatever it says, unless it is asked for again: it is what was asked for."""
        whole = answer.status == 204 or _judges_bodies(vendor) or not call.repeatable
        body = await (answer.read() if whole else answer.stream(PART_BYTES))
        found = await self._examine(_question(call, vendor), answer, body if isinstance(body, bytes) else None)
        got, decided = Answer(answer.status, answer.headers), found.verdict
        if not isinstance(decided, (Succeeded, Empty, GiveUp)):
            return Judged(got, decided)
        pointer = await self._keeping.keep(call, body, answer.media_type) if body else None
        wanted = call.request.answer.headers if call.request.answer else ()
        kept = {name.lower(): answer.headers[name.lower()] for name in wanted if name.lower() in answer.headers}
        back = VendorAnswer(status=answer.status, headers=kept, body=pointer)
        return Judged(got, decided if isinstance(decided, GiveUp) else Page(None, None, handed_back=back), back)

    async def _take(self, call: Claimed, vendor: Vendor, answer: RawAnswer) -> Judged:
        """Judge the answer, reading its body first only where a rule or the purpose looks at it."""
        purpose, question = call.request.purpose, _question(call, vendor)
        body = await answer.read() if purpose in PURPOSES or _judges_bodies(vendor) else None
        found = await self._examine(question, answer, body)
        got = Answer(answer.status, answer.headers)
        match found.verdict:
            case Succeeded() | Empty() if purpose in PURPOSES:
                return Judged(got, Page(None, None, heard=found.heard))
            case Succeeded() | Empty() if purpose == "deliver":
                return Judged(got, Page(None, None))
            case Succeeded():
                if body is None:
                    return await self._take_unread_page(call, question, answer)
                return await self._take_page(call, vendor, answer, body, found)
            case Empty():
                return Judged(got, Page(None, Facts(items=0) if call.request.facts else None))
            case decided:
                return Judged(got, decided)

    async def _take_unread_page(self, call: Claimed, question: Question, answer: RawAnswer) -> Judged:
        """A large page that tells nothing about others goes through in pieces."""
        whole = call.request.facts is not None or not call.repeatable
        body = await (answer.read() if whole else answer.stream(PART_BYTES))
        if not isinstance(body, bytes):
            pointer = await self._keeping.keep(call, body, answer.media_type)
            return Judged(Answer(answer.status, answer.headers), Page(pointer, None))
        found = await self._examine(question, answer, body)
        return await self._take_page(call, question.vendor, answer, body, found)

    async def _take_page(
        self, call: Claimed, vendor: Vendor, answer: RawAnswer, body: bytes, found: Findings
    ) -> Judged:
        got, problem = Answer(answer.status, answer.headers), found.problem
        if problem is not None:
            final = isinstance(problem, BodyTooLarge)
            return _lost(call, vendor, Unanswered(f"{problem.reason}: {problem}", sent=True, final=final))
        if call.request.purpose == "metadata":
            return Judged(got, Page(None, found.facts))
        return Judged(got, Page(await self._keeping.keep(call, body, answer.media_type), found.facts))

    async def _examine(self, question: Question, answer: RawAnswer, body: bytes | None) -> Findings:
        """A large body is examined in a thread, while no other one is: its content takes about ten times its size. The
        event loop stands still only while the body is read, and goes on while the content is searched."""
        origin = AnswerOrigin(answer.status, answer.headers, answer.url)
        if body is None or len(body) <= SMALL_BYTES:
            return examine(question, origin, body)
        async with self._examining:
            return await asyncio.to_thread(examine, question, origin, body)


def _policy(call: Claimed, vendor: Vendor) -> Vendor:
    """The vendor with the rules and the retry policy that hold for this call."""
    rules = rules_for(call.request.purpose, vendor.outcomes)
    return vendor.model_copy(update={"outcomes": rules, "retry": call.request.retry or vendor.retry})


def _question(call: Claimed, vendor: Vendor) -> Question:
    return Question(call.request, vendor, _try(call), utc_now(), random.random())


def _try(call: Claimed) -> Try:
    return Try(call.attempt, call.first_attempt_at, call.limited_since, call.repeatable)


def _lost(call: Claimed, vendor: Vendor, result: Unanswered) -> Judged:
    return Judged(result, setback(result, vendor, _try(call), utc_now(), random.random()))


def _unanswered(error: CallFailed | Late) -> Unanswered:
    if isinstance(error, Late):
        return Unanswered(_LATE, sent=False)
    return Unanswered(str(error), sent=error.sent, final=error.failure in _FINAL)


async def _put_off(call: Claimed, error: Unavailable) -> Later:
    """The vendor is not to blame for a payload that cannot be stored, or a connection that there is no room for: no
    attempt is counted. The call keeps its place in flight for a while, so that others do not meet the same at once."""
    log.warning("call.put_off", task_id=str(call.request.task_id), error=str(error))
    await asyncio.sleep(_PUT_OFF_SECONDS)
    may_have_left = call.may_have_left or not isinstance(error, Exhausted)
    return Later(call, utc_now(), call.attempt, reason=str(error), may_have_left=may_have_left)


def _judges_bodies(vendor: Vendor) -> bool:
    """Whether a rule of the vendor looks at bodies, so that they must be read first."""
    return any("body" in rule.when for rule in vendor.outcomes)
