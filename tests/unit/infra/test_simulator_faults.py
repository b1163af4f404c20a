"""Faults of the simulated vendor: repeatable, independent of order, in their shares."""

import random
from collections import Counter

import pytest
from pydantic import ValidationError

from infra.simulator.config import FailPath, Fault, VendorConfig
from infra.simulator.faults import Fate, FatePlan

FLAKY = VendorConfig(error_share=0.2, truncate_share=0.1, drip_share=0.1, delay_seconds=(0.5, 1.5))


def plan(config: VendorConfig = FLAKY, seed: int = 7, vendor: str = "acme") -> FatePlan:
    return FatePlan(config, seed=seed, vendor=vendor)


def test_fates_do_not_depend_on_the_order_of_requests() -> None:
    asked = [(f"/items?offset={page}", repetition) for page in range(50) for repetition in range(4)]
    fates = {each: plan().draw(*each) for each in asked}
    random.Random(1).shuffle(asked)
    again = plan()
    assert all(again.draw(*each) == fates[each] for each in asked)


def test_another_seed_or_vendor_has_other_fates() -> None:
    def fates(of: FatePlan) -> list[Fate]:
        return [of.draw("/items", repetition) for repetition in range(100)]

    assert fates(plan(seed=8)) != fates(plan()) != fates(plan(vendor="other"))


def test_a_retry_draws_anew() -> None:
    faults = {plan().draw("/items?offset=0", repetition).fault for repetition in range(200)}
    assert faults == {None, Fault.ERROR, Fault.TRUNCATE, Fault.DRIP}


def test_faults_come_in_their_shares() -> None:
    draws = [plan().draw(f"/items/{number}", 0) for number in range(20_000)]
    shares = {fault: count / len(draws) for fault, count in Counter(draw.fault for draw in draws).items()}
    assert shares[Fault.ERROR] == pytest.approx(0.2, abs=0.02)
    assert shares[Fault.TRUNCATE] == pytest.approx(0.1, abs=0.02)
    assert shares[None] == pytest.approx(0.6, abs=0.02)
    assert all(0.5 <= draw.delay_seconds < 1.5 for draw in draws)
    assert {draw.status for draw in draws if draw.fault is Fault.ERROR} == {500, 502, 503, 504}


def test_a_share_of_one_befalls_everybody() -> None:
    certain = plan(VendorConfig(html_share=1.0))
    assert all(certain.draw(f"/items/{number}", 0).fault is Fault.HTML for number in range(1_000))


def test_a_failing_path_fails_its_times_each_target_for_itself() -> None:
    config = VendorConfig(fail_paths=(FailPath(match=r"offset=300\b", status=418, times=2), FailPath(match="/quote")))
    failing = plan(config)
    for target in ("/items?offset=300", "/items?offset=300&limit=5"):
        assert [failing.draw(target, repetition).status for repetition in range(3)] == [418, 418, 200]
    assert failing.draw("/items?offset=3000", 0) == Fate()
    assert failing.draw("/quote", 1_000).fault is Fault.ERROR


@pytest.mark.parametrize(
    "document",
    [
        '{"error_share": 0.6, "hang_share": 0.6}',
        '{"fail_paths": [{"match": "("}]}',
        '{"delay_seconds": [2, 1]}',
        '{"error_shares": 0.1}',
        '{"records": "many"}',
    ],
)
def test_settings_that_make_no_sense_are_refused(document: str) -> None:
    with pytest.raises(ValidationError):
        VendorConfig.model_validate_json(document)


def test_a_contract_is_one_window_or_several() -> None:
    one = VendorConfig.model_validate_json('{"contract": {"requests": 5, "per_seconds": 1}}')
    two = VendorConfig.model_validate_json(
        '{"contract": [{"requests": 5, "per_seconds": 1}, {"requests": 9, "per_seconds": 60, "burst": 2}]}'
    )
    assert [contract.most for contract in one.contracts] == [5]
    assert [contract.most for contract in two.contracts] == [5, 10]
