"""What a call shows of its vendor as a whole, whatever was asked for. Pure."""

from services.fetcher.call.decide import Answer, Elsewhere, GiveUp, RateLimited, RetryAt, Setback, Unanswered, may_pass
from services.fetcher.call.outcome import Page
from services.fetcher.call.vendor_jobs import is_failure_by_rule


def vendor_works(result: Answer | Unanswered, decided: Page | Setback) -> bool | None:
    """Whether the vendor works. It does if it answered, be it with a refusal, a limit, or an error that a rule expects.
    It does not if it cannot be reached, breaks off, or answers 5xx. None if the call does not show it."""
    match result, decided:
        case Unanswered(is_fault=is_fault), _:
            return False if is_fault else None
        case _, Page() | RateLimited() | Elsewhere():
            return True
        case Answer(status=status), RetryAt():
            return not _is_error(status)
        case Answer(status=status), GiveUp(reason=reason):
            return not _is_error(status) or is_failure_by_rule(reason)


def _is_error(status: int) -> bool:
    return status >= 500 and may_pass(status)
