"""When a fetcher may judge that others are gone."""

import math

import pytest

from services.fetcher.takeover.decide import may_judge

LEASE_SECONDS = 8.0


@pytest.mark.parametrize(
    ("lived_at", "judges_from", "may"),
    [
        (-math.inf, math.inf, False),
        (100.0, 100.1, False),
        (92.0, 100.0, True),
        (91.9, 100.0, False),
    ],
    ids=["never lived", "a lease is not over", "lived within a lease", "was silent itself"],
)
def test_a_fetcher_judges_others_only_while_it_is_awake_and_has_been_for_a_lease(
    lived_at: float, judges_from: float, may: bool
) -> None:
    assert may_judge(lived_at, judges_from, 100.0, LEASE_SECONDS) is may
