"""How long what waits will take."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.planner.release.decide import Backlog, ReleaseQuota, VendorLoad, drain_seconds, release_quota
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
    quotas = [release_quota(VendorLoad("acme", 0, unprocessed=count), None, 4.0, 10) for count in (0, 10, 39, 40)]
    assert [one.free > 0 for one in quotas] == [True, True, True, False]


def test_a_vendor_that_fails_whatever_it_is_asked_is_not_sent_its_whole_backlog() -> None:
    vendor = Vendor(vendor="acme", base_url="https://acme.example", budget=Budget(windows=(SECOND,)))
    jobs = [uuid4() for _ in range(4)]

    def left(*retrying: int) -> ReleaseQuota:
        return release_quota(VendorLoad("acme", 0, dict(zip(jobs, retrying, strict=False))), vendor, 4.0, 10)

    assert left(79) == ReleaseQuota(40)
    assert left(80, 3) == ReleaseQuota(40, full=(jobs[0],))
    assert left(1_000, 80, 80) == ReleaseQuota(40, full=tuple(jobs[:3]))
    assert left(80, 80, 80, 80) == ReleaseQuota(0, full=tuple(jobs))
