"""How long a vendor asks to be left alone, in every form in which vendors say it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulator.config import Contract, ResetField
from infra.simulator.contract import Quota, quota_headers
from services.fetcher.call.pauses import pause_until, spent_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(hours=1)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 30 "}, 30),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:40 GMT"}, 40),
        ({"retry-after": "Thu, 01 Jan 2026 01:00:40 +0100"}, 40),
        ({"retry-after": "Wed, 31 Dec 2025 23:59:00 GMT"}, 0),
        ({"retry-after": "864000"}, 3600),
        ({"retry-after": "9" * 18}, 3600),
        ({"ratelimit": '"default";r=0;t=25'}, 25),
        ({"ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset": str(EPOCH + 20)}, 20),
        ({"x-ratelimit-reset": str((EPOCH + 20) * 1000)}, 20),
        ({"x-ratelimit-reset": "2026-01-01T00:00:20Z"}, 20),
        ({"x-ratelimit-reset": f"{EPOCH + 20}.5"}, 20.5),
        ({"x-ratelimit-reset-after": "0.25"}, 0.25),
        ({"retry-after": "5", "x-ratelimit-reset": "50"}, 5),
        ({"retry-after": "soon", "x-ratelimit-reset": "50"}, 50),
    ],
)
def test_a_pause_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert pause_until(headers, NOW, LONGEST) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-5", "soon", "٣٠", "1e3", "Thu, 32 Jan 2026 00:00:00 GMT", "9" * 40, "NaN"])
def test_nonsense_is_no_pause(text: str) -> None:
    assert pause_until({"retry-after": text, "x-ratelimit-reset": text}, NOW, LONGEST) is None


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "x-free-at", "ratelimit", "ratelimit-reset", "x-ratelimit-reset"]),
        st.text()
        | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,5}", fullmatch=True)
        | st.integers().map(str)
        | st.floats().map(str),
    )
)
def test_no_header_breaks_anything_or_leads_beyond_the_longest_wait(headers: dict[str, str]) -> None:
    found = pause_until(headers, NOW, LONGEST, "X-Free-At")
    assert found is None or NOW <= found <= NOW + LONGEST


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "90"}, 90),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(EPOCH + 300)}, 300),
        ({"ratelimit-remaining": " 0 ", "ratelimit-reset": "90"}, 90),
        ({"ratelimit": '"hour";r=0;t=90'}, 90),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999999"}, 3600),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "90"}, None),
        ({"x-ratelimit-remaining": "10", "x-ratelimit-reset": "90"}, None),
        ({"ratelimit": '"hour";r=7;t=90'}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-reset": "90"}, None),
        ({}, None),
    ],
)
def test_the_last_of_a_quota_is_noticed(headers: dict[str, str], seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert spent_until(headers, NOW, timedelta(seconds=60), LONGEST) == expected


def test_a_quota_that_the_contract_keeps_is_not_waited_for_twice() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "60"}
    assert spent_until(headers, NOW, timedelta(seconds=60), LONGEST) is None
    assert spent_until(headers, NOW, timedelta(seconds=1), LONGEST) is not None


@pytest.mark.parametrize("form", ["seconds", "epoch", "epoch_milliseconds", "date", "rfc3339"])
def test_a_vendor_may_name_a_reset_header_of_its_own(form: Any) -> None:
    """In each form that the simulator's vendors write it."""
    contract = Contract(requests=1, per_seconds=60.0, reset_field=ResetField(header="X-Free-At", form=form))
    name, _, text = quota_headers(Quota(contract, 0, 30.0), refused=True, wall=EPOCH).decode().partition(": ")
    headers = {name.lower(): text, "retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "50"}
    free_at = NOW + timedelta(seconds=30)
    assert pause_until(headers, NOW, LONGEST, "X-Free-At") == free_at
    assert spent_until(headers, NOW, timedelta(seconds=1), LONGEST, "X-Free-At") == free_at
    assert pause_until(headers, NOW, LONGEST) == NOW + timedelta(seconds=7)


@pytest.mark.parametrize("text", ["0", str(EPOCH - 1), str(EPOCH), "2025-12-31T00:00:00Z"])
def test_a_reset_header_whose_time_is_over_is_passed_over(text: str) -> None:
    headers = {"x-free-at": text, "retry-after": "600", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "50"}
    assert pause_until(headers, NOW, LONGEST, "X-Free-At") == NOW + timedelta(seconds=600)
    assert spent_until(headers, NOW, timedelta(seconds=1), LONGEST, "X-Free-At") == NOW + timedelta(seconds=50)


@pytest.mark.parametrize("text", ["", "soon", "-5", "2026-13-01T00:00:00Z"])
def test_a_reset_header_that_says_nonsense_is_passed_over(text: str) -> None:
    assert pause_until({"x-free-at": text, "retry-after": "7"}, NOW, LONGEST, "X-Free-At") == NOW + timedelta(seconds=7)
    assert pause_until({"x-free-at": text}, NOW, LONGEST, "X-Free-At") is None
