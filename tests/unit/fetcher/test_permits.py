"""The arithmetic of permits: no window is ever exceeded, whatever is leased when; and the contract is used."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher.permits.decide import SECOND, Lease, Wanted, WindowState, lease, rate_of, slack_of
from services.fetcher.permits.pace import LEAST_PACE, faster, slower
from services.fetcher.permits.state import read_windows, write_windows
from shared.specification.vendor import Budget, Window

START = 1_700_000_000 * SECOND

windows = st.builds(
    lambda requests, milliseconds, burst: Window(
        requests=requests, per=timedelta(milliseconds=milliseconds), burst=min(burst, requests)
    ),
    st.integers(1, 200),
    st.sampled_from([100, 250, 1000, 5000, 60_000]),
    st.integers(1, 20),
)
quotas = st.builds(lambda requests: Window(requests=requests, per=timedelta(hours=1)), st.integers(1, 500))
budgets = st.builds(
    lambda paced, counted: Budget(windows=(*paced, *counted)),
    st.lists(windows, min_size=1, max_size=2, unique_by=lambda window: (window.requests, window.per)),
    st.lists(quotas, max_size=1),
)
steps = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3_000_000)), min_size=1, max_size=30)


def run(budget: Budget, asked: list[tuple[int, int]]) -> list[int]:
    """All moments that several fetchers lease, one after the other."""
    now, moments = START, list[int]()
    states: tuple[WindowState, ...] = ()
    for count, later in asked:
        now += later
        leased: Lease = lease(budget, states, Wanted(count, now, now + 300_000))
        states = tuple(read_windows(write_windows(leased.windows)))
        moments += leased.moments
    return moments


def most_in(moments: list[int], length: int) -> int:
    """The highest count in any half-open window of that length."""
    highest = left = 0
    for right, moment in enumerate(moments):
        while moments[left] <= moment - length:
            left += 1
        highest = max(highest, right - left + 1)
    return highest


@settings(max_examples=200, deadline=None)
@given(budgets, steps)
def test_no_window_is_ever_exceeded(budget: Budget, asked: list[tuple[int, int]]) -> None:
    moments = run(budget, asked)
    assert moments == sorted(moments)
    for window in budget.windows:
        allowed = window.requests + (0 if window.is_quota else (window.burst or 1) - 1)
        assert most_in(moments, round(window.per.total_seconds() * SECOND)) <= allowed


@settings(max_examples=200, deadline=None)
@given(windows, st.data())
def test_late_calls_within_the_slack_break_no_window(window: Window, data: st.DataObject) -> None:
    """Each call may be late by the fetcher's half of the slack, on its own."""
    budget = Budget(windows=(window,))
    moments = run(budget, [(50, 200_000)] * 20)
    slack = slack_of(budget)
    late = [moment + data.draw(st.integers(0, slack)) for moment in moments[:300]]
    allowed = window.requests + (window.burst or 1) - 1
    assert most_in(sorted(late), round(window.per.total_seconds() * SECOND)) <= allowed


def test_the_contract_is_used() -> None:
    budget = Budget(windows=(Window(requests=50, per=timedelta(seconds=1), burst=1),))
    moments = run(budget, [(50, 100_000)] * 600)
    seconds = (moments[-1] - moments[0]) / SECOND
    assert len(moments) / seconds >= 0.95 * 50
    assert abs((rate_of(budget) or 0) - 50 / 1.042) < 0.01


def test_a_quota_may_be_used_at_any_pace_and_then_waits_for_its_window() -> None:
    budget = Budget(windows=(Window(requests=100, per=timedelta(hours=1)),))
    leased = lease(budget, (), Wanted(150, START, START + SECOND))
    assert leased.moments == (START,) * 100
    assert leased.next_at is not None
    assert START + 3600 * SECOND <= leased.next_at <= START + 3672 * SECOND


def test_the_tightest_window_decides() -> None:
    budget = Budget(
        windows=(
            Window(requests=10, per=timedelta(seconds=1), burst=10),
            Window(requests=20, per=timedelta(minutes=1), burst=20),
        )
    )
    moments = run(budget, [(100, 500_000)] * 60)
    assert most_in(moments, 60 * SECOND) <= 39
    assert most_in(moments, SECOND) <= 19


def test_without_windows_every_moment_is_now() -> None:
    assert lease(Budget(), (), Wanted(3, START, START)).moments == (START,) * 3


def test_a_changed_contract_starts_without_a_burst() -> None:
    before = Budget(windows=(Window(requests=5, per=timedelta(seconds=1), burst=1),))
    after = Budget(windows=(Window(requests=50, per=timedelta(seconds=1), burst=1),))
    states = lease(before, (), Wanted(5, START, START + SECOND)).windows
    moments = lease(after, states, Wanted(5, START, START + SECOND)).moments
    assert len(set(moments)) == 5


@given(st.floats(LEAST_PACE, 1), st.integers(0, 1000))
def test_pace_never_leaves_its_bounds(pace: float, successes: int) -> None:
    assert LEAST_PACE <= slower(pace) <= 1
    assert pace <= faster(pace, successes) <= 1
