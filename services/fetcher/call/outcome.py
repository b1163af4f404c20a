"""What came of a call → its outcome, with the messages that tell it. Pure but for clock, metrics and log."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.fetcher.call.decide import Elsewhere, GiveUp, RateLimited, RetryAt, Setback
from services.fetcher.call.messages import changed, given_up, stored
from services.fetcher.call.vendor_jobs import Heard, is_unknown
from services.fetcher.metrics import REQUEST_SECONDS, REQUESTS
from services.fetcher.model import Claimed, Ended, Later, Outcome
from shared.events.payloads import Pointer
from shared.events.tasks import Attempt, Facts, TaskState, VendorAnswer
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import utc_now

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What a successful answer left behind."""

    pointer: Pointer | None
    facts: Facts | None
    heard: Heard | None = None
    handed_back: VendorAnswer | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """When a try began, and for how long it took."""

    began_at: datetime
    seconds: float
    egress: str


def outcome_of(
    call: Claimed,
    decided: Page | Setback,
    status: int | None,
    timing: Timing,
    *,
    sent: bool,
    answer: VendorAnswer | None = None,
    spent_until: datetime | None = None,
) -> Outcome:
    """What becomes of the call, with the messages that tell it. `sent`: the vendor may have it, and its
    answer does not tell. `answer` is what the vendor said, where that is handed back; `spent_until`, when it has a
    quota again."""
    now = utc_now()
    may_have_left = sent or call.may_have_left
    between = TaskState.WAITING if call.request.purpose in ("status", "abort") else TaskState.RETRYING
    match decided:
        case Page():
            attempt = _attempt(call, "succeeded", "", status, timing)
            return Ended(call, tuple(_succeeded(call, decided, attempt, now)), attempt, True, spent_until)
        case RetryAt(when=when, reason=reason):
            attempt = _attempt(call, "retry", reason, status, timing)
            return Later(
                call,
                not_before=when,
                next_attempt=call.attempt + 1,
                messages=(changed(call, between, now, attempt=attempt),),
                attempt=attempt,
                met_limit=False,
                reason=reason,
                may_have_left=may_have_left,
            )
        case RateLimited(reason=reason) | Elsewhere(reason=reason):
            attempt = _attempt(call, "rate_limited", reason, status, timing)
            return Later(
                call,
                not_before=decided.until if isinstance(decided, RateLimited) else now,
                next_attempt=call.attempt,
                messages=(changed(call, between, now, attempt=attempt),),
                attempt=attempt,
                limited=isinstance(decided, RateLimited),
                met_limit=True,
                reason=reason,
                may_have_left=may_have_left,
            )
        case GiveUp(reason=reason, credential_refused=refused):
            unknown = is_unknown(reason, sent=may_have_left)
            ended = give_up(call, reason, status, timing, unknown=unknown, answer=answer)
            return replace(ended, credential_refused=refused)


def _succeeded(call: Claimed, page: Page, attempt: Attempt, now: datetime) -> list[Outgoing]:
    """What becomes visible, in order; a page that needs no processing is complete at once."""
    if page.heard is not None:
        return [changed(call, TaskState.WAITING, now, attempt=attempt, heard=page.heard)]
    if page.pointer is None or page.handed_back is not None:
        answer = page.handed_back
        return [changed(call, TaskState.COMPLETED, now, attempt=attempt, facts=page.facts, records=0, answer=answer)]
    return [
        changed(call, TaskState.STORED, now, attempt=attempt, facts=page.facts),
        stored(call, page.pointer, now),
        changed(call, TaskState.ENQUEUED, now),
    ]


def give_up(
    call: Claimed,
    reason: str,
    status: int | None,
    timing: Timing,
    *,
    unknown: bool = False,
    answer: VendorAnswer | None = None,
) -> Ended:
    """The call will not be tried again."""
    now = utc_now()
    attempt = _attempt(call, "give_up", reason, status, timing)
    place = {"task_id": str(call.request.task_id), "job_id": str(call.request.job_id)}
    log.warning("call.given_up", **place, purpose=call.request.purpose, reason=reason)
    return Ended(call, given_up(call, reason, attempt, now, unknown=unknown, answer=answer), attempt, succeeded=False)


def _attempt(call: Claimed, verdict_name: str, reason: str, status: int | None, timing: Timing) -> Attempt:
    REQUESTS.labels(vendor=vendor_label(call.request.vendor), verdict=verdict_name).inc()
    REQUEST_SECONDS.labels(vendor=vendor_label(call.request.vendor)).observe(timing.seconds)
    return Attempt(
        attempt=call.attempt,
        started_at=timing.began_at,
        seconds=round(timing.seconds, 6),
        egress=timing.egress,
        status=status,
        verdict=verdict_name,
        reason=reason[:500],
    )
