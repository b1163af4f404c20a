"""How long what waits will take."""

from datetime import timedelta

import pytest

from services.planner.release.decide import Backlog, Load, drain_seconds, room
from shared.specification.vendor import Budget, Vendor, Window

SECOND = Window(requests=10, per=timedelta(seconds=1))
DAY = Window(requests=1000, per=timedelta(days=1))


@pytest.mark.parametrize(
    ("windows", "calls", "seconds"),
    [((), 500, 0), ((SECOND,), 500, 50), ((SECOND, DAY), 500, 43_200), ((DAY,), 0, 0)],
)
def test_the_window_that_needs_longest_says_how_long_a_backlog_takes(
    windows: tuple[Window, ...], calls: int, seconds: float
) -> None:
    vendor = Vendor(vendor="acme", base_url="https://acme.example", budget=Budget(windows=windows))
    assert drain_seconds(Backlog(calls - calls // 5, calls // 5), vendor) == seconds


def test_of_an_unknown_vendor_a_careful_contract_is_assumed() -> None:
    assert drain_seconds(Backlog(10), None) == 2


def test_a_vendor_waits_where_many_of_its_jobs_cannot_be_processed() -> None:
    rooms = [room(Load("acme", 0, unprocessed), None, 4.0, 10) for unprocessed in (0, 10, 39, 40)]
    assert [free > 0 for free in rooms] == [True, True, True, False]
