"""The arithmetic of permits: no window is ever exceeded, whatever is leased when and leaves late; and it is used."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher.permits.decide import KEPT, LATEST, Report, ahead_of, rate_of, record
from services.fetcher.permits.lease import LeaseRequest, lease
from services.fetcher.permits.state import read_permits, write_permits
from services.fetcher.permits.windows import SECOND, Permits, WindowState
from shared.specification.vendor import CAREFUL_BUDGET, Budget, Window

START = 1_700_000_000 * SECOND
AHEAD = 120_000
FIFTY = Window(requests=50, per=timedelta(seconds=1), burst=1)

windows = st.builds(
    lambda requests, milliseconds, burst: Window(
        requests=requests, per=timedelta(milliseconds=milliseconds), burst=min(burst, requests)
    ),
    st.integers(1, 200),
    st.sampled_from([100, 250, 1000, 5000, 60_000, 61_000, 3_600_000]),
    st.integers(1, 20),
)
quotas = st.builds(lambda requests: Window(requests=requests, per=timedelta(hours=1)), st.integers(1, 500))
budgets = st.builds(
    lambda paced, counted: Budget(windows=(*paced, *counted)),
    st.lists(windows, min_size=1, max_size=2, unique_by=lambda window: (window.requests, window.per)),
    st.lists(quotas, max_size=1),
)


@dataclass
class Fetchers:
    """Several fetchers at one vendor's row. What they lease leaves late or never, and is reported when its fetcher
    comes again; a fetcher that is gone reports nothing. Nothing leaves before it is connected."""

    budget: Budget
    now: int = START
    pace: float = 1.0
    connected_at: int = 0
    permits: Permits = field(default_factory=Permits)
    left: list[int] = field(default_factory=list)
    unreported: list[tuple[int, Report, int]] = field(default_factory=list)

    def turn(self, fetcher: int, count: int, lates: list[int | None], *, gone: bool = False) -> int:
        """One claim; `lates` says by how much each call is late, or that it never leaves. Gives the calls leased."""
        due = [one for one in self.unreported if one[0] == fetcher and one[2] <= self.now]
        self.unreported = [one for one in self.unreported if one not in due]
        known = record(self.budget, self.permits, [report for _, report, _ in due], self.now)
        until = self.now + ahead_of(self.budget, AHEAD)
        leased = lease(self.budget, known, LeaseRequest(count, self.now, until, self.pace))
        self.permits = read_permits(write_permits(leased.permits))
        for moment, late in zip(leased.moments, (lates * count)[:count], strict=False):
            sent_at = None if late is None else max(moment + late, self.connected_at)
            if sent_at is not None and sent_at > moment + KEPT:
                sent_at = None
            if sent_at is not None:
                self.left.append(sent_at)
            if not gone:
                self.unreported.append((fetcher, Report(moment, sent_at), sent_at or moment + LATEST))
        return len(leased.moments)


def most_in(moments: list[int], length: int) -> int:
    """The highest count in any half-open window of that length."""
    highest = left = 0
    ordered = sorted(moments)
    for right, moment in enumerate(ordered):
        while ordered[left] <= moment - length:
            left += 1
        highest = max(highest, right - left + 1)
    return highest


def allowed(window: Window) -> int:
    """In up to a minute a burst comes on top; of what was agreed on for a day none is called twice."""
    return window.requests + ((window.burst or 1) - 1 if window.per <= timedelta(minutes=1) else 0)


def length_of(window: Window) -> int:
    return round(window.per.total_seconds() * SECOND)


def turns(latest: int) -> st.SearchStrategy[list[tuple[int, int, list[int | None], bool, int]]]:
    """Claims of several fetchers; the calls leave so late at most."""
    return st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(1, 50),
            st.lists(st.none() | st.integers(0, latest) | st.integers(0, 5000), min_size=1, max_size=5),
            st.booleans(),
            st.integers(0, 400_000) | st.integers(0, 3_000_000),
        ),
        min_size=1,
        max_size=40,
    )


@settings(max_examples=300, deadline=None)
@given(budgets, turns(LATEST) | turns(KEPT))
def test_no_window_is_ever_exceeded(budget: Budget, asked: list[tuple[int, int, list[int | None], bool, int]]) -> None:
    fetchers = Fetchers(budget)
    for fetcher, count, lates, gone, later in asked:
        fetchers.turn(fetcher, count, lates, gone=gone)
        fetchers.now += later
    for window in budget.windows:
        assert most_in(fetchers.left, length_of(window)) <= allowed(window)


@pytest.mark.parametrize("seconds", [1, 4.8, 9])
def test_calls_that_wait_for_their_connections_leave_within_the_contract_together(seconds: float) -> None:
    fetchers = Fetchers(Budget(windows=(FIFTY,)), connected_at=START + round(seconds * SECOND))
    for turn in range(400):
        fetchers.turn(turn % 2, 50, [0])
        fetchers.now += 50_000
    assert min(fetchers.left) == fetchers.connected_at
    assert most_in(fetchers.left, SECOND) <= 50


@settings(max_examples=100, deadline=None)
@given(windows, st.lists(st.integers(0, 10_000), min_size=300, max_size=300), st.integers(0, 20_000))
def test_the_way_to_the_vendor_may_take_as_long_as_the_slack(window: Window, ways: list[int], late: int) -> None:
    fetchers = Fetchers(Budget(windows=(window,)))
    for turn in range(40):
        fetchers.turn(turn % 2, 50, [0, late])
        fetchers.now += 50_000
    arrived = [moment + way for moment, way in zip(sorted(fetchers.left), ways, strict=False)]
    assert most_in(arrived, length_of(window)) <= allowed(window)


def test_the_contract_is_used_although_calls_are_late() -> None:
    fetchers = Fetchers(Budget(windows=(FIFTY,)))
    for turn in range(1200):
        fetchers.turn(turn % 2, 50, [0, 1000, 8000, 2000, 12_000])
        fetchers.now += 50_000
    assert len(fetchers.left) >= 60 * 50 * 0.96
    assert most_in(fetchers.left, SECOND) <= 50


def test_permits_of_a_fetcher_that_is_gone_are_free_again_after_a_while() -> None:
    fetchers = Fetchers(Budget(windows=(FIFTY,)))
    assert fetchers.turn(1, 50, [None], gone=True) > 0
    fetchers.now += KEPT
    for _ in range(200):
        fetchers.now += 50_000
        fetchers.turn(2, 50, [0])
    assert len(fetchers.left) >= 10 * 50 * 0.93
    assert len(fetchers.permits.leased) <= 10


def test_a_call_that_never_left_costs_nothing_of_a_quota() -> None:
    fetchers = Fetchers(Budget(windows=(Window(requests=100, per=timedelta(hours=1)),)))
    assert fetchers.turn(1, 60, [None]) == 60
    fetchers.now += SECOND
    assert fetchers.turn(1, 150, [0]) == 100


def test_the_rate_is_told_with_the_room_that_the_vendor_needs() -> None:
    assert abs((rate_of(Budget(windows=(FIFTY,))) or 0) - 50 / 1.03) < 0.01
    assert abs((rate_of(Budget(windows=(FIFTY,)), 0.5) or 0) - 25) < 0.01


def test_a_quota_may_be_used_at_any_pace_and_then_waits_for_its_window() -> None:
    budget = Budget(windows=(Window(requests=100, per=timedelta(hours=1)),))
    leased = lease(budget, record(budget, Permits(), (), START), LeaseRequest(150, START, START + SECOND))
    assert leased.moments == (START,) * 100
    assert leased.next_at is not None
    assert START + 3600 * SECOND <= leased.next_at <= START + 3672 * SECOND


def test_a_burst_takes_nothing_beyond_what_was_agreed_on_for_a_day() -> None:
    day = Window(requests=1000, per=timedelta(days=1), burst=1000)
    fetchers = Fetchers(Budget(windows=(day,)))
    for _ in range(400):
        fetchers.turn(1, 1000, [0])
        fetchers.now += 600 * SECOND
    assert most_in(fetchers.left, 24 * 3600 * SECOND) == day.most == 1000
    assert len(fetchers.left) >= 2000


def test_in_a_window_of_up_to_a_minute_a_burst_comes_on_top() -> None:
    second = Window(requests=50, per=timedelta(seconds=1), burst=50)
    fetchers = Fetchers(Budget(windows=(second,)))
    for _ in range(40):
        fetchers.turn(1, 50, [0])
        fetchers.now += 50_000
    assert most_in(fetchers.left, SECOND) == second.most == 99


def test_the_tightest_window_decides() -> None:
    tight = Window(requests=10, per=timedelta(seconds=1), burst=10)
    wide = Window(requests=20, per=timedelta(minutes=1), burst=20)
    fetchers = Fetchers(Budget(windows=(tight, wide)))
    for _ in range(60):
        fetchers.turn(1, 100, [0])
        fetchers.now += 500_000
    assert most_in(fetchers.left, 60 * SECOND) <= 39
    assert most_in(fetchers.left, SECOND) <= 19


def test_without_windows_every_moment_is_now() -> None:
    assert lease(Budget(), Permits(), LeaseRequest(3, START, START)).moments == (START,) * 3


def test_a_changed_contract_starts_without_a_burst() -> None:
    before = Budget(windows=(Window(requests=5, per=timedelta(seconds=1), burst=1),))
    after = Budget(windows=(FIFTY,))
    permits = lease(before, record(before, Permits(), (), START), LeaseRequest(5, START, START + SECOND)).permits
    moments = lease(after, record(after, permits, (), START), LeaseRequest(5, START, START + SECOND)).moments
    assert len(set(moments)) == 5


def test_what_was_called_before_a_contract_is_changed_counts_on() -> None:
    fetchers = Fetchers(Budget())
    for most in (20, 25, 40, 10):
        fetchers.budget = Budget(windows=(Window(requests=most, per=timedelta(hours=1)),))
        fetchers.turn(1, 50, [0])
        fetchers.now += SECOND
        fetchers.turn(1, 0, [0])
    assert len(fetchers.left) == 40


def test_a_window_of_another_length_knows_what_was_called_before() -> None:
    before = Window(requests=100, per=timedelta(days=1))
    after = Window(requests=40, per=timedelta(hours=1))
    fetchers = Fetchers(Budget(windows=(before,)))
    assert fetchers.turn(1, 30, [0]) == 30
    fetchers.now += SECOND
    fetchers.turn(1, 0, [0])
    fetchers.budget = Budget(windows=(after, before))
    assert fetchers.turn(1, 50, [0]) == 10


def test_a_window_that_is_longer_than_all_before_knows_only_what_they_know() -> None:
    minute = Window(requests=30, per=timedelta(seconds=60), burst=30)
    fetchers = Fetchers(Budget(windows=(minute,)))
    for passed_seconds in (120, 1):
        assert fetchers.turn(1, 30, [0]) == 30
        fetchers.now += passed_seconds * SECOND
        fetchers.turn(1, 0, [0])
    fetchers.budget = Budget(windows=(Window(requests=100, per=timedelta(days=1)),))
    assert fetchers.turn(1, 200, [0]) == 100 - 30


def test_the_log_stays_small() -> None:
    budget = Budget(windows=(Window(requests=10_000, per=timedelta(days=1)),))
    permits = Permits()
    for number in range(5000):
        at = START + number * SECOND * 30
        permits = record(budget, permits, [Report(at, at)], at)
    assert len(permits.windows[0].sent) <= 202
    [state] = permits.windows
    assert state == WindowState(state.key, 24 * 3600 * SECOND, START, state.sent)


def test_a_quota_that_leaves_the_contract_and_comes_back_knows_what_was_called() -> None:
    """As when its vendor is deleted and put again: meanwhile the careful budget holds."""
    quota = Budget(windows=(Window(requests=100, per=timedelta(days=1)),))
    fetchers = Fetchers(quota)
    assert fetchers.turn(0, 90, [0] * 90) == 90
    fetchers.now += 3600 * SECOND
    fetchers.turn(0, 0, [])
    fetchers.budget = CAREFUL_BUDGET
    between = fetchers.turn(0, 3, [0] * 3)
    assert between
    fetchers.now += 60 * SECOND
    fetchers.turn(0, 0, [])
    fetchers.permits = read_permits(write_permits(fetchers.permits))
    fetchers.budget = quota
    assert fetchers.turn(0, 100, [0] * 100) == 10 - between


def test_a_quota_knows_what_is_reported_only_after_it_left_the_contract() -> None:
    """Nothing was logged by then."""
    quota = Budget(windows=(Window(requests=1, per=timedelta(days=1)),))
    leased = lease(quota, record(quota, Permits(), (), START), LeaseRequest(1, START, START))
    changed, later = record(CAREFUL_BUDGET, leased.permits, (), START), START + 3 * SECOND
    reported = record(CAREFUL_BUDGET, changed, [Report(leased.moments[0], START)], later)
    assert not lease(quota, record(quota, reported, (), later), LeaseRequest(1, later, later)).moments


def test_a_quota_that_left_the_contract_is_forgotten_after_its_length() -> None:
    quota = Budget(windows=(Window(requests=100, per=timedelta(days=1)),))
    fetchers = Fetchers(quota)
    fetchers.turn(0, 90, [0] * 90)
    fetchers.budget = CAREFUL_BUDGET
    fetchers.now += 10 * SECOND
    fetchers.turn(0, 0, [])
    assert len(fetchers.permits.windows) == len(CAREFUL_BUDGET.windows) + 1
    fetchers.now += 25 * 3600 * SECOND
    fetchers.turn(0, 0, [])
    assert len(fetchers.permits.windows) == len(CAREFUL_BUDGET.windows)


def test_a_database_that_puts_its_clock_back_stops_no_vendor() -> None:
    """By its new clock, what was called lies in the future."""
    fetchers = Fetchers(Budget(windows=(FIFTY,)))
    for _ in range(40):
        fetchers.turn(1, 50, [0])
        fetchers.now += 50_000
    fetchers.turn(2, 50, [0], gone=True)
    put_back = fetchers.now - 600 * SECOND
    before, fetchers.now, fetchers.left = len(fetchers.left), put_back, []
    for _ in range(400):
        fetchers.turn(1, 50, [0])
        fetchers.now += 50_000
    assert before
    assert len([moment for moment in fetchers.left if moment < put_back + 20 * SECOND]) >= 20 * 50 * 0.8


def test_a_clock_that_is_put_back_stops_no_vendor_either_that_nothing_has_reached() -> None:
    """All that is known of it is the time that it is spaced from."""
    budget = Budget(windows=(FIFTY,))
    known = record(budget, Permits(), (), START)
    leased = lease(budget, known, LeaseRequest(1, START, START + SECOND))
    given_back = record(budget, leased.permits, [Report(leased.moments[0], None)], START)
    assert not given_back.leased
    put_back = START - 3600 * SECOND
    found = lease(budget, record(budget, given_back, (), put_back), LeaseRequest(1, put_back, put_back + SECOND))
    assert found.moments


def test_a_quota_beside_a_window_leaves_it_its_spacing_and_its_pace() -> None:
    """Of a quota many calls leave in the time that would be between two, were they spaced."""
    paced = Window(requests=50, per=timedelta(seconds=1), burst=5)
    fetchers = Fetchers(Budget(windows=(paced, Window(requests=100_000, per=timedelta(days=1)))), pace=0.1)
    for _ in range(1200):
        fetchers.turn(1, 50, [0])
        fetchers.now += 50_000
    left = sorted(fetchers.left)
    assert 5 * 60 * 0.9 <= len(left) <= 5 * 60 + 5 + 1
    assert min(later - earlier for earlier, later in pairwise(left[5:])) >= 0.2 * SECOND


@settings(max_examples=200, deadline=None)
@given(budgets, turns(LATEST), turns(LATEST), st.integers(1, 700 * SECOND))
def test_whenever_the_databases_clock_is_put_back_no_window_is_exceeded(
    budget: Budget,
    asked: list[tuple[int, int, list[int | None], bool, int]],
    again: list[tuple[int, int, list[int | None], bool, int]],
    by: int,
) -> None:
    """As the vendor's clock counts, which was not put back."""
    fetchers = Fetchers(budget)
    for fetcher, count, lates, gone, later in asked:
        fetchers.turn(fetcher, count, lates, gone=gone)
        fetchers.now += later
    fetchers.now += LATEST
    left, fetchers.left = fetchers.left, []
    fetchers.now -= by
    for fetcher, count, lates, gone, later in again:
        fetchers.turn(fetcher, count, lates, gone=gone)
        fetchers.now += later
    seen = left + [moment + by for moment in fetchers.left]
    for window in budget.windows:
        assert most_in(seen, length_of(window)) <= allowed(window)
