"""The simulated vendor's rate contract, against a count by hand."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulator.config import Contract, ResetField, RetryAfterForm
from infra.simulator.contract import Quota, RateLimit, quota_headers, retry_after

# Quarters are exact in binary, so that arrivals exactly a window apart really are.
GAPS = st.lists(st.integers(0, 8).map(lambda quarters: quarters / 4), max_size=80)
CONTRACTS = st.builds(
    Contract,
    requests=st.integers(1, 6),
    per_seconds=st.sampled_from([0.25, 1.0, 2.5]),
    burst=st.integers(1, 4),
    count_refused=st.booleans(),
)


def moments_of(gaps: list[float]) -> list[float]:
    now, moments = 1_000.0, []
    for gap in gaps:
        now += gap
        moments.append(now)
    return moments


def inside(moments: list[float], end: float, seconds: float) -> int:
    return sum(end - seconds < moment <= end for moment in moments)


@given(contract=CONTRACTS, gaps=GAPS)
def test_a_request_is_admitted_exactly_if_its_window_has_room(contract: Contract, gaps: list[float]) -> None:
    limit = RateLimit((contract,))
    counted: list[float] = []
    for now in moments_of(gaps):
        expected = inside(counted, now, contract.per_seconds) < contract.requests + contract.burst - 1
        admitted, _ = limit.admit(now, address="a", token="")
        assert admitted == expected
        if admitted or contract.count_refused:
            counted.append(now)


@given(first=CONTRACTS, second=CONTRACTS, gaps=GAPS)
def test_several_windows_hold_together(first: Contract, second: Contract, gaps: list[float]) -> None:
    limit = RateLimit((first, second))
    admitted: list[float] = []
    for now in moments_of(gaps):
        if limit.admit(now, address="a", token="")[0]:
            admitted.append(now)
    for contract in (first, second):
        assert all(inside(admitted, end, contract.per_seconds) <= contract.most for end in admitted)


@given(requests=st.integers(1, 50), burst=st.integers(1, 10))
def test_a_client_that_keeps_the_contract_is_never_refused(requests: int, burst: int) -> None:
    contract = Contract(requests=requests, per_seconds=float(requests), burst=burst)
    limit = RateLimit((contract,))
    for now in [0.0] * burst + [float(second) for second in range(1, 3 * requests)]:
        assert limit.admit(now, address="a", token="")[0]


@given(contract=CONTRACTS, gaps=GAPS)
def test_a_refused_client_that_waits_as_told_gets_in(contract: Contract, gaps: list[float]) -> None:
    limit = RateLimit((contract,))
    for now in moments_of(gaps):
        admitted, quotas = limit.admit(now, address="a", token="")
        if not admitted:
            assert limit.admit(now + quotas[0].reset_seconds, address="a", token="")[0]
            return


def test_addresses_and_tokens_have_windows_of_their_own() -> None:
    by_address = RateLimit((Contract(requests=1, per_seconds=60.0, scope="address"),))
    assert [by_address.admit(0.0, address=address, token="t")[0] for address in "aab"] == [True, False, True]
    by_token = RateLimit((Contract(requests=1, per_seconds=60.0, scope="token"),))
    assert [by_token.admit(0.0, address="a", token=token)[0] for token in "xxy"] == [True, False, True]


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("seconds", b"Retry-After: 2\r\n"),
        ("garbage", b"Retry-After: soon, please\r\n"),
        ("very_long", b"Retry-After: 86400\r\n"),
        ("none", b""),
    ],
)
def test_retry_after_comes_in_the_wished_form(form: RetryAfterForm, line: bytes) -> None:
    assert retry_after(form, seconds=1.2, wall=0.0) == line


def test_a_retry_date_is_never_too_early() -> None:
    line = retry_after("date", seconds=0.4, wall=1_800_000_000.9)
    moment = parsedate_to_datetime(line.decode().partition(": ")[2].strip())
    assert moment == datetime.fromtimestamp(1_800_000_002, UTC)


def test_quota_headers_speak_three_dialects() -> None:
    lines = {
        dialect: quota_headers(
            Quota(Contract(requests=50, per_seconds=1.0, headers=dialect), 7, 0.3), refused=False, wall=1_000.2
        ).decode()
        for dialect in ("none", "x-ratelimit", "ratelimit", "ratelimit-structured")
    }
    assert lines["none"] == ""
    assert lines["x-ratelimit"].splitlines()[1:] == ["X-RateLimit-Remaining: 7", "X-RateLimit-Reset: 1001"]
    assert lines["ratelimit"].splitlines()[1:] == ["RateLimit-Remaining: 7", "RateLimit-Reset: 1"]
    assert lines["ratelimit-structured"].splitlines() == [
        'RateLimit-Policy: "default";q=50;w=1',
        'RateLimit: "default";r=7;t=1',
    ]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("seconds", "31"),
        ("milliseconds", "30250"),
        ("epoch", "1800000031"),
        ("epoch_milliseconds", "1800000030750"),
        ("date", "Fri, 15 Jan 2027 08:00:31 GMT"),
        ("rfc3339", "2027-01-15T08:00:31+00:00"),
    ],
)
def test_a_vendor_may_have_a_reset_field_of_its_own(form: Any, value: str) -> None:
    contract = Contract(requests=50, per_seconds=60.0, reset_field=ResetField(header="X-Free-At", form=form))
    quota = Quota(contract, 0, 30.25)
    assert quota_headers(quota, refused=True, wall=1_800_000_000.5).decode() == f"X-Free-At: {value}\r\n"
    assert quota_headers(quota, refused=False, wall=1_800_000_000.5) == b""
