"""How many calls of a vendor may be in flight."""

import pytest

from services.fetcher.lanes.terms import Terms
from services.fetcher.model import FAULTS, PROBES, REFUSALS
from services.fetcher.permits.windows import Permits
from shared.specification.vendor import CAREFUL_BUDGET


@pytest.mark.parametrize(
    ("refusals", "faults", "most"),
    [
        (0, 0, CAREFUL_BUDGET.in_flight),
        (REFUSALS - 1, FAULTS - 1, CAREFUL_BUDGET.in_flight),
        (REFUSALS, 0, 1),
        (0, FAULTS, 1),
        (0, FAULTS + PROBES - 1, 1),
        (0, FAULTS + PROBES, CAREFUL_BUDGET.in_flight),
    ],
)
def test_one_call_at_a_time_shows_whether_a_vendor_that_refused_or_failed_works(
    refusals: int, faults: int, most: int
) -> None:
    terms = Terms(
        None,
        now=0,
        pace=1.0,
        paused_seconds=-1.0,
        refused_credentials=refusals,
        faults=faults,
        elsewhere=0,
        permits=Permits(),
    )
    assert terms.most == most
