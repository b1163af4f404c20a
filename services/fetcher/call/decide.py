"""What came of a call: a pure function of the outcome, the vendor's policy and the attempt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.fetcher.call.pauses import pause_until
from shared.events.tasks import OUTCOME_UNKNOWN, Purpose
from shared.specification.expressions import NotApplicable, holds
from shared.specification.vendor import Backoff, Outcome, Vendor

_LEAST_PAUSE = timedelta(seconds=1)
_TOO_EARLY = 425
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NEVER_BETTER = frozenset({501, 505})


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The answer is what was asked for."""


@dataclass(frozen=True, slots=True)
class Empty:
    """There is nothing there, and that is an answer."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again then; this was an attempt."""

    when: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The vendor wants to be left alone until then; this was no attempt."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """This egress is limited: try again now, by another one; this was no attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It will not succeed. `credential_refused`: nor will any other call, as long as the credential stays the same."""

    reason: str
    credential_refused: bool = False


Setback = RetryAt | RateLimited | Elsewhere | GiveUp
Verdict = Succeeded | Empty | Setback


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `body` gives its content to rules that look at it."""

    status: int
    headers: Mapping[str, str]
    body: Callable[[], Any] = lambda: None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer. `sent`: the vendor may have the request. `is_fault`: the vendor or the way to it failed, whatever was
    asked for."""

    reason: str
    sent: bool
    final: bool = False
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """Which try this was: its number, since when there have been any, since when only limits were met."""

    attempt: int
    first_at: datetime
    limited_since: datetime | None
    repeatable: bool


def rules_for(purpose: Purpose, rules: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The vendor's rules that hold for a call. A receiver of webhooks does not answer as the vendor's API does. That
    nothing is there is no answer to a submit, nor does it tell the status of a job."""
    match purpose:
        case "deliver":
            return ()
        case "submit" | "status":
            return tuple(rule for rule in rules if rule.is_ != "empty")
        case _:
            return rules


def verdict(outcome: Answer | Unanswered, vendor: Vendor, this: Try, now: datetime, chance: float) -> Verdict:
    """Decide. `chance` is a random number from 0 to 1, for the jitter of the backoff."""
    match outcome:
        case Unanswered():
            return setback(outcome, vendor, this, now, chance)
        case Answer():
            return _by_rule(outcome, vendor, this, now, chance) or _by_status(outcome, vendor, this, now, chance)


def setback(outcome: Unanswered, vendor: Vendor, this: Try, now: datetime, chance: float) -> Setback:
    """Decide of a call that has no answer."""
    match outcome:
        case Unanswered(reason=reason, final=True):
            return GiveUp(reason)
        case Unanswered(reason=reason, sent=True) if not this.repeatable:
            return GiveUp(f"{OUTCOME_UNKNOWN}: {reason}")
        case Unanswered(reason=reason):
            return again(reason, vendor, this, now, chance)


def may_have_it(outcome: Answer | Unanswered) -> bool:
    """Whether the vendor may be at work on what it was asked for, although no answer says so."""
    match outcome:
        case Unanswered(sent=sent):
            return sent
        case Answer(status=status):
            return may_pass(status) and not _was_not_begun(outcome)


def may_pass(status: int) -> bool:
    """Whether the same call may succeed later."""
    return status in (408, _TOO_EARLY) or (status >= 500 and status not in _NEVER_BETTER)


def _was_not_begun(answer: Answer) -> bool:
    """Whether the vendor says that it did nothing, so that any call may be repeated. A 408, or a 503 without
    `Retry-After`, does not say so: a gateway may send it while the vendor is at work. Nor does the vendor's own reset
    header, which may come with every answer."""
    return answer.status == _TOO_EARLY or _is_limit(answer)


def _is_limit(answer: Answer) -> bool:
    return answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers)


def _by_rule(answer: Answer, vendor: Vendor, this: Try, now: datetime, chance: float) -> Verdict | None:
    kind = _first_rule(answer, vendor)
    match kind:
        case "success":
            return Succeeded()
        case "empty":
            return Empty()
        case "retry":
            return _unless_at_work(answer, f"outcome_rule_{answer.status}", vendor, this, now, chance)
        case "rate_limited":
            return _limited(answer, vendor, this, now)
        case "fail":
            return GiveUp(f"outcome_rule_{answer.status}: the vendor's answer is a failure by rule")
        case _:
            return None


def _first_rule(answer: Answer, vendor: Vendor) -> str | None:
    for rule in vendor.outcomes:
        document = {"status": answer.status, "headers": dict(answer.headers)}
        if "body" in rule.when:
            document["body"] = answer.body()
        try:
            if holds(rule.when, document):
                return rule.is_
        except NotApplicable:
            continue
    return None


def _by_status(answer: Answer, vendor: Vendor, this: Try, now: datetime, chance: float) -> Verdict:
    status = answer.status
    if status == 204:
        return Empty()
    if 200 <= status < 300:
        return Succeeded()
    if _is_limit(answer):
        return _limited(answer, vendor, this, now)
    if may_pass(status):
        return _unless_at_work(answer, f"status_{status}", vendor, this, now, chance)
    if status in (401, 403):
        refused = status == 401 and vendor.auth is not None
        return GiveUp(f"auth_failed: the vendor answered {status}", credential_refused=refused)
    hint = "; network.redirects would have to be follow" if status in _REDIRECTS else ""
    return GiveUp(f"refused_{status}: the vendor answered {status}{hint}")


def _unless_at_work(answer: Answer, reason: str, vendor: Vendor, this: Try, now: datetime, chance: float) -> Setback:
    """Another attempt. A call that must not be repeated gets none while the vendor may be at work on it."""
    if this.repeatable or not may_have_it(answer):
        return again(reason, vendor, this, now, chance)
    return GiveUp(f"{OUTCOME_UNKNOWN}: the vendor answered {answer.status} to a call that must not be repeated")


def _limited(answer: Answer, vendor: Vendor, this: Try, now: datetime) -> Setback:
    stalled = now - (this.limited_since or now)
    if stalled > vendor.retry.stall:
        return GiveUp(f"rate_limited: for {stalled}, which is longer than retry.stall")
    asked = pause_until(answer.headers, now, vendor.retry.longest_wait, vendor.budget.reset_header) or now
    return RateLimited(max(asked, now + _LEAST_PAUSE), f"status_{answer.status}")


def again(reason: str, vendor: Vendor, this: Try, now: datetime, chance: float) -> Setback:
    """Another attempt, as long as the policy has one."""
    policy = vendor.retry
    if this.attempt >= policy.attempts:
        return GiveUp(f"attempts_exhausted: {this.attempt} attempts, the last one: {reason}")
    when = now + wait(policy.backoff, this.attempt, chance)
    if when - this.first_at > policy.total:
        return GiveUp(f"attempts_exhausted: retry.total is over, the last one: {reason}")
    return RetryAt(when, reason)


def wait(backoff: Backoff, attempt: int, chance: float) -> timedelta:
    """Exponential backoff with full jitter: between nothing and base · factor^(attempt-1), at most the cap."""
    grown = backoff.base.total_seconds() * backoff.factor ** min(attempt - 1, 100)
    longest = timedelta(seconds=min(backoff.cap.total_seconds(), grown))
    return longest * chance
