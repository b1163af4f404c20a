"""The page of benchmarks says what the results say, and inputs are what a measurement names."""

from collections import Counter
from typing import Any

import pytest

from benchmarks import callbacks
from benchmarks.__main__ import MEASUREMENTS, RESULTS, parse_options
from benchmarks.page import PAGE, TITLES, page
from benchmarks.percentile import percentile
from benchmarks.targets import TARGETS
from infra.simulator.reports.config import ReportsConfig
from infra.simulator.reports.plan import chart, digest_of


def test_the_page_is_what_the_results_say() -> None:
    assert PAGE.read_text("utf-8") == page(RESULTS), "make bench writes it"
    assert set(TARGETS) == set(MEASUREMENTS) == set(TITLES)


def test_a_figure_that_misses_its_target_is_called_so() -> None:
    row: dict[str, Any] = {"system": "sluice", "p50_ms": 150.0, "p99_ms": 500.04}
    assert [target.is_reached for target in TARGETS["small_job"]([row])] == [True, False]
    rates = {"sluice": 4_000, "dlt": 1_000, "script": 10_001}
    rows = [{"system": name, "records": 1, "records_per_second": rate} for name, rate in rates.items()]
    assert [target.is_reached for target in TARGETS["end_to_end"](rows)] == [True, False]


def test_a_delay_by_a_vendor_that_hangs_and_a_loss_in_an_outage_miss_their_targets() -> None:
    reached = [TARGETS["isolation"]([{"delay_share": share}])[0].is_reached for share in (-0.01, 0.05, 0.0501)]
    assert reached == [True, True, False]
    row = {"jobs_acknowledged": 4, "jobs_completed": 4, "webhooks_acknowledged": 3, "webhooks_found": 2}
    targets = TARGETS["outage"]([{**row, "seconds_until_90_percent": 60.3}])
    assert [(target.measured, target.is_reached) for target in targets] == [(0, True), (1, False), (60.3, False)]
    assert not TARGETS["outage"]([{**row, "seconds_until_90_percent": None}])[2].is_reached


@pytest.mark.parametrize(("count", "p50", "p99"), [(1, 1, 1), (40, 20, 40), (101, 51, 100), (200, 100, 198)])
def test_percentiles_are_of_the_nearest_rank(count: int, p50: int, p99: int) -> None:
    values = range(count, 0, -1)
    assert (percentile(values, 50), percentile(values, 99)) == (p50, p99)


def test_exactly_the_named_shares_of_the_callbacks_are_early_and_twice() -> None:
    reports = ReportsConfig(early_share=callbacks.EARLY, twice_share=callbacks.TWICE)
    inputs = callbacks.choose_inputs(reports, 1_000)
    manners = Counter(
        chart(reports, seed=7, vendor=callbacks.VENDOR, digest=digest_of(given), repetition=0).manner
        for given in inputs
    )
    assert manners == {"early": 50, "twice": 50, "on_time": 900}


def test_everything_is_measured_unless_something_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert not parse_options([]).names
    assert parse_options(["ingress", "timers"]).names == ["ingress", "timers"]
    with pytest.raises(SystemExit):
        parse_options(["ingres"])
    assert "expected one of end_to_end, " in capsys.readouterr().err
