"""What came of a call, as a function of the answer, the vendor's policy and the try."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.call.decide import (
    Answer,
    Empty,
    GiveUp,
    RateLimited,
    RetryAt,
    Succeeded,
    Try,
    Unanswered,
    Verdict,
    may_have_it,
    verdict,
    wait,
)
from shared.specification.vendor import Backoff, Vendor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = Try(1, NOW, None, repeatable=True)
ONCE = replace(FIRST, repeatable=False)


def vendor(**fields: Any) -> Vendor:
    return Vendor.model_validate({"vendor": "acme", "base_url": "https://api.acme.example", **fields})


def answered(status: int, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
    return Answer(status, headers or {}, lambda: body)


def decided(outcome: Answer | Unanswered, this: Try = FIRST, **fields: Any) -> Verdict:
    return verdict(outcome, vendor(**fields), this, NOW, 0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 203])
def test_success(status: int) -> None:
    assert decided(answered(status)) == Succeeded()


def test_no_content_is_an_answer() -> None:
    assert decided(answered(204)) == Empty()


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 520, 529, 530, 599])
def test_passing_failures_are_tried_again(status: int) -> None:
    assert decided(answered(status)) == RetryAt(NOW + timedelta(seconds=0.5), f"status_{status}")


@pytest.mark.parametrize("status", [301, 302, 304, 400, 404, 410, 422, 501, 505])
def test_what_the_vendor_refuses_is_given_up(status: int) -> None:
    outcome = decided(answered(status))
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith(f"refused_{status}:")


@pytest.mark.parametrize("status", [401, 403])
def test_failed_authentication_has_a_reason_of_its_own(status: int) -> None:
    outcome = decided(answered(status))
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith("auth_failed:")


@pytest.mark.parametrize(("status", "auth", "refused"), [(401, True, True), (401, False, False), (403, True, False)])
def test_only_401_speaks_of_the_credential_and_only_where_there_is_one(status: int, auth: bool, refused: bool) -> None:
    fields: dict[str, Any] = {"auth": {"type": "bearer", "token": "env:ACME_TEST_KEY"}} if auth else {}
    outcome = decided(answered(status), **fields)
    assert isinstance(outcome, GiveUp)
    assert outcome.credential_refused == refused


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, 1),
        (429, {"retry-after": "7"}, 7),
        (503, {"retry-after": "7"}, 7),
        (429, {"retry-after": "0"}, 1),
        (429, {"retry-after": "864000"}, 3600),
        (429, {"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 1),
    ],
)
def test_a_rate_limit_costs_no_attempt_and_never_leads_to_hammering(
    status: int, headers: dict[str, str], seconds: int
) -> None:
    last = replace(FIRST, attempt=6)
    assert decided(answered(status, headers), last) == RateLimited(NOW + timedelta(seconds=seconds), f"status_{status}")


def test_a_rate_limit_that_does_not_end_ends_the_call() -> None:
    stalled = replace(FIRST, limited_since=NOW - timedelta(hours=7))
    outcome = decided(answered(429), stalled)
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith("rate_limited:")


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524])
def test_a_call_that_must_not_be_repeated_is_not_repeated_where_the_vendor_may_be_at_work_on_it(status: int) -> None:
    outcome = decided(answered(status), ONCE)
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith("outcome_unknown:")
    assert may_have_it(answered(status))


@pytest.mark.parametrize(("status", "headers"), [(425, {}), (429, {}), (503, {"retry-after": "7"})])
def test_what_the_vendor_did_not_begin_may_be_repeated(status: int, headers: dict[str, str]) -> None:
    assert isinstance(decided(answered(status, headers), ONCE), (RetryAt, RateLimited))
    assert not may_have_it(answered(status, headers))


@pytest.mark.parametrize(
    ("status", "headers", "is_repeated"),
    [
        (408, {}, False),
        (500, {}, False),
        (503, {}, False),
        (503, {"retry-after": "7"}, True),
        (200, {}, True),
        (409, {}, True),
        (501, {}, True),
    ],
)
def test_a_rule_repeats_what_must_not_be_repeated_only_where_the_vendor_is_not_at_work_on_it(
    status: int, headers: dict[str, str], is_repeated: bool
) -> None:
    rules = [{"when": "`true`", "is": "retry"}]
    outcome = decided(answered(status, headers), ONCE, outcomes=rules)
    assert isinstance(outcome, RetryAt if is_repeated else GiveUp)
    assert outcome.reason.startswith("outcome_rule_" if is_repeated else "outcome_unknown:")
    assert isinstance(decided(answered(status, headers), outcomes=rules), RetryAt)


def test_a_sent_request_without_an_answer_is_repeated_only_if_it_may_be() -> None:
    lost = Unanswered("truncated", sent=True)
    assert decided(lost) == RetryAt(NOW + timedelta(seconds=0.5), "truncated")
    assert decided(lost, ONCE) == GiveUp("outcome_unknown: truncated")
    assert isinstance(decided(Unanswered("connect_failed", sent=False), ONCE), RetryAt)


def test_what_is_final_is_given_up_with_its_reason() -> None:
    assert decided(Unanswered("ssrf_blocked: x", sent=False, final=True)) == GiveUp("ssrf_blocked: x")


def test_attempts_end_and_the_last_reason_is_kept() -> None:
    outcome = decided(answered(500), replace(FIRST, attempt=3), retry={"attempts": 3})
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith("attempts_exhausted:")
    assert "status_500" in outcome.reason


def test_the_total_time_ends_a_call_before_its_attempts_do() -> None:
    outcome = decided(answered(500), replace(FIRST, first_at=NOW - timedelta(hours=1)), retry={"total": "30m"})
    assert isinstance(outcome, GiveUp)
    assert outcome.reason.startswith("attempts_exhausted: retry.total")


@pytest.mark.parametrize(
    ("when", "kind", "expected"),
    [
        ("status == `404`", "empty", Empty),
        ("status == `404` && body.error.code == 'BUSY'", "retry", RetryAt),
        ("body.error", "rate_limited", RateLimited),
        ("headers.\"x-state\" == 'gone'", "fail", GiveUp),
        ("contains(body.error.code, 'US')", "success", Succeeded),
    ],
)
def test_the_first_rule_that_holds_decides(when: str, kind: str, expected: type) -> None:
    rules = [{"when": "status == `999`", "is": "fail"}, {"when": when, "is": kind}, {"when": "`true`", "is": "fail"}]
    answer = answered(404, {"x-state": "gone"}, {"error": {"code": "BUSY"}})
    assert isinstance(decided(answer, outcomes=rules), expected)


def test_a_rule_that_does_not_fit_the_body_does_not_hold() -> None:
    rules = [{"when": "length(body) > `0`", "is": "fail"}, {"when": "body.error", "is": "fail"}]
    assert decided(answered(200, body=7), outcomes=rules) == Succeeded()
    assert decided(answered(200, body={"error": []}), outcomes=rules[1:]) == Succeeded()


def test_the_body_is_read_only_for_rules_that_mention_it() -> None:
    def never() -> Any:
        raise AssertionError

    rules = [{"when": "status == `200`", "is": "empty"}, {"when": "body.x", "is": "fail"}]
    assert decided(Answer(200, {}, never), outcomes=rules) == Empty()


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_backoff_stays_between_nothing_and_its_cap(attempt: int, chance: float) -> None:
    backoff = Backoff(base=timedelta(seconds=1), cap=timedelta(minutes=2))
    highest = min(2.0 ** min(attempt - 1, 60), 120.0)
    assert timedelta() <= wait(backoff, attempt, chance) <= timedelta(seconds=highest)


def test_the_longest_durations_do_not_overflow() -> None:
    backoff = Backoff(base=timedelta(days=3660), cap=timedelta(days=3660))
    assert wait(backoff, 100, 1.0) == timedelta(days=3660)


@given(st.integers(100, 999), st.booleans(), st.integers(1, 7), st.dictionaries(st.text(max_size=3), st.text()))
def test_every_status_has_a_verdict(status: int, repeatable: bool, attempt: int, headers: dict[str, str]) -> None:
    """By its class: what the vendor refuses is never repeated, and no failure is a success."""
    this = replace(FIRST, attempt=attempt, repeatable=repeatable)
    may_pass = status in {408, 425} or (status >= 500 and status not in {501, 505})
    match decided(answered(status, headers), this, retry={"attempts": 6}):
        case Succeeded() | Empty():
            assert 200 <= status < 300
        case RateLimited(until=moment):
            assert status == 429
            assert moment > NOW
        case RetryAt(when=moment):
            assert may_pass
            assert attempt < 6
            assert moment >= NOW
        case GiveUp(reason=reason):
            assert not 200 <= status < 300
            assert status != 429
            assert not may_pass or attempt >= 6 or not repeatable
            assert may_pass or not reason.startswith(("attempts_exhausted:", "outcome_unknown:"))
