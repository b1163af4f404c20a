"""The judge's book-keeping, against counts by hand."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulator import truth
from infra.simulator.truth import HighestCount, Truth, highest_in_window

GAPS = st.lists(st.integers(0, 6).map(lambda quarters: quarters / 4), max_size=60)


def running(gaps: list[float]) -> list[float]:
    return [sum(gaps[: place + 1]) for place in range(len(gaps))]


@given(gaps=GAPS, seconds=st.sampled_from([0.25, 1.0, 2.5]))
def test_the_highest_count_in_any_window_is_exact(gaps: list[float], seconds: float) -> None:
    moments = running(gaps)
    expected = max((sum(end - seconds < moment <= end for moment in moments) for end in moments), default=0)
    assert highest_in_window(moments, seconds) == expected
    on_the_fly = HighestCount(seconds)
    for moment in moments:
        on_the_fly.add(moment)
    assert on_the_fly.highest == expected


@given(ranges=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=20))
def test_served_records_are_counted_once_each(ranges: list[tuple[int, int]]) -> None:
    book = Truth()
    for place, (start, size) in enumerate(ranges):
        book.served(f"/items?offset={place}", range(start, start + size))
    ids = {index + 1 for start, size in ranges for index in range(start, start + size)}
    assert book.report()["records"] == {
        "deliveries": sum(size for _, size in ranges),
        "distinct": len(ids),
        "min_id": min(ids, default=None),
        "max_id": max(ids, default=None),
        "sha256": hashlib.sha256(bytes(number in ids for number in range(1, max(ids, default=0) + 1))).hexdigest(),
        "uncounted": 0,
    }


def test_repeated_pages_are_told_most_repeated_first() -> None:
    book = Truth()
    for target, times in (("/a", 1), ("/b", 3), ("/c", 2)):
        for _ in range(times):
            book.served(target, range(0))
    assert book.report()["pages"] == {
        "distinct": 3,
        "repeated": 2,
        "most_repeated": [{"target": "/b", "times": 3}, {"target": "/c", "times": 2}],
        "uncounted": 0,
    }


def test_arrivals_beyond_memory_are_told_and_still_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "ARRIVALS_MAX", 4)
    book = Truth()
    for moment in range(10):
        book.arrived(moment / 100, kind="items", address="a")
        if moment % 2:
            book.admitted()
    report = book.report()
    assert report["arrivals_forgotten"] == 6
    assert report["highest_in_any_second"] == {"all": 10, "admitted": 5}
    assert list(book.moments(only_admitted=False)) == [0.0, 0.01, 0.02, 0.03]
    assert list(book.moments(only_admitted=True)) == [0.01, 0.03]


def test_arrivals_are_told_apart_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "ADDRESSES_MAX", 3)
    book = Truth()
    for moment, address in enumerate("aabcdb"):
        book.arrived(float(moment), kind="items", address=address)
        if address == "a":
            book.admitted()
    assert book.report()["by_address"] == {"a": 2, "b": 2, "others": 2}
    assert book.report()["refused_by_address"] == {"a": 0, "b": 2, "others": 2}
    assert list(book.moments(only_admitted=False, address="b")) == [2.0, 5.0]
    assert list(book.moments(only_admitted=True, address="a")) == [0.0, 1.0]
    assert list(book.moments(only_admitted=False, address="nobody")) == []
