"""What calls show of their vendor as a whole."""

from datetime import UTC, datetime

import pytest

from services.fetcher.call.decide import Answer, Elsewhere, GiveUp, RateLimited, RetryAt, Setback, Unanswered
from services.fetcher.call.health import vendor_works
from services.fetcher.call.outcome import Page

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGAIN = RetryAt(NOW, "status_500")


@pytest.mark.parametrize(
    ("result", "decided"),
    [
        (Answer(200, {}), Page(None, None)),
        (Answer(500, {}), Page(None, None)),
        (Answer(404, {}), GiveUp("refused_404: no")),
        (Answer(501, {}), GiveUp("refused_501: no")),
        (Answer(408, {}), RetryAt(NOW, "status_408")),
        (Answer(200, {}), RetryAt(NOW, "outcome_rule_200")),
        (Answer(500, {}), GiveUp("outcome_rule_500: the vendor's answer is a failure by rule")),
        (Answer(503, {}), RateLimited(NOW, "status_503")),
        (Answer(429, {}), Elsewhere("status_429")),
    ],
)
def test_a_vendor_that_answers_works_be_it_with_what_concerns_one_request(
    result: Answer, decided: Page | Setback
) -> None:
    assert vendor_works(result, decided) is True


@pytest.mark.parametrize(
    ("result", "decided"),
    [
        (Answer(500, {}), AGAIN),
        (Answer(502, {}), RetryAt(NOW, "outcome_rule_502")),
        (Answer(503, {}), GiveUp("attempts_exhausted: 6 attempts")),
        (Answer(504, {}), GiveUp("outcome_unknown: the vendor answered 504")),
        (Unanswered("connect_failed", sent=False, is_fault=True), AGAIN),
        (Unanswered("timeout", sent=True, is_fault=True), GiveUp("outcome_unknown: timeout")),
    ],
)
def test_a_vendor_that_answers_5xx_or_not_at_all_fails_whatever_becomes_of_the_call(
    result: Answer | Unanswered, decided: Setback
) -> None:
    assert vendor_works(result, decided) is False


def test_what_is_wrong_with_one_request_or_page_shows_nothing() -> None:
    assert vendor_works(Unanswered("ssrf_blocked", sent=False, final=True), GiveUp("ssrf_blocked")) is None
    assert vendor_works(Unanswered("vendor_malformed", sent=True), AGAIN) is None
