"""What came of a call → its outcome, with the messages that tell it. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.fetcher.call.decide import Elsewhere, GiveUp, RateLimited, RetryAt, Setback
from services.fetcher.call.messages import Change, changed, given_up, stored
from services.fetcher.call.vendor_jobs import Heard, is_unknown
from services.fetcher.model import Claimed, Ended, Later, Outcome
from shared.events.payloads import Pointer
from shared.events.tasks import Attempt, Facts, TaskState, VendorAnswer, cut_reason
from shared.messaging.handler import Outgoing


@dataclass(frozen=True, slots=True)
class Page:
    """What a successful answer left behind."""

    pointer: Pointer | None
    facts: Facts | None
    heard: Heard | None = None
    handed_back: VendorAnswer | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of a call. `answered_at`: when the answer came; it may be stored long after that. `sent`: the vendor may
    have the call, and its answer does not tell. `answer` is what the vendor said, where that is handed back;
    `spent_until`, when it has a quota again; `works`, whether it works as a whole, where the try shows that."""

    began_at: datetime
    seconds: float
    egress: str = "direct"
    status: int | None = None
    answered_at: datetime | None = None
    sent: bool = False
    answer: VendorAnswer | None = None
    spent_until: datetime | None = None
    works: bool | None = None


def outcome_of(call: Claimed, decided: Page | Setback, tried: Tried, now: datetime) -> Outcome:
    """What becomes of the call, with the messages that tell it."""
    may_have_left = tried.sent or call.may_have_left
    between = TaskState.WAITING if call.request.purpose in ("status", "abort") else TaskState.RETRYING
    match decided:
        case Page():
            attempt = _attempt(call, "succeeded", "", tried)
            messages = _succeeded(call, decided, attempt, tried.answered_at or now, now)
            return Ended(call, tuple(messages), attempt, True, tried.spent_until, vendor_works=tried.works)
        case RetryAt(when=when, reason=reason):
            attempt = _attempt(call, "retry", reason, tried)
            return Later(
                call,
                not_before=when,
                next_attempt=call.attempt + 1,
                messages=(changed(call, Change(between, attempt), now),),
                attempt=attempt,
                met_limit=False,
                reason=reason,
                may_have_left=may_have_left,
                vendor_works=tried.works,
            )
        case RateLimited(reason=reason) | Elsewhere(reason=reason):
            attempt = _attempt(call, "rate_limited", reason, tried)
            return Later(
                call,
                not_before=decided.until if isinstance(decided, RateLimited) else now,
                next_attempt=call.attempt,
                messages=(changed(call, Change(between, attempt), now),),
                attempt=attempt,
                limited=isinstance(decided, RateLimited),
                met_limit=True,
                reason=reason,
                may_have_left=may_have_left,
                vendor_works=tried.works,
            )
        case GiveUp(reason=reason, credential_refused=refused):
            ended = give_up(call, reason, tried, now, unknown=is_unknown(reason, sent=may_have_left))
            return replace(ended, credential_refused=refused)


def _succeeded(call: Claimed, page: Page, attempt: Attempt, answered_at: datetime, now: datetime) -> list[Outgoing]:
    """What becomes visible, in order; a page that needs no processing is complete at once."""
    if page.heard is not None:
        return [changed(call, Change(TaskState.WAITING, attempt, heard=page.heard), now)]
    if page.pointer is None or page.handed_back is not None:
        done = Change(TaskState.COMPLETED, attempt, facts=page.facts, records=0, answer=page.handed_back)
        return [changed(call, done, now)]
    return [
        changed(call, Change(TaskState.STORED, attempt, facts=page.facts), now),
        stored(call, page.pointer, answered_at, now),
        changed(call, Change(TaskState.ENQUEUED), now),
    ]


def give_up(call: Claimed, reason: str, tried: Tried, now: datetime, *, unknown: bool = False) -> Ended:
    """The call will not be tried again."""
    attempt = _attempt(call, "give_up", reason, tried)
    messages = given_up(call, reason, attempt, now, unknown=unknown, answer=tried.answer)
    return Ended(call, messages, attempt, succeeded=False, vendor_works=tried.works)


def _attempt(call: Claimed, verdict_name: str, reason: str, tried: Tried) -> Attempt:
    return Attempt(
        attempt=call.attempt,
        started_at=tried.began_at,
        seconds=round(tried.seconds, 6),
        egress=tried.egress,
        status=tried.status,
        verdict=verdict_name,
        reason=cut_reason(reason),
    )
