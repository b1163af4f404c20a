"""Which egress a call leaves by."""

from datetime import UTC, datetime, timedelta

from services.fetcher.call.egress import EgressRests
from shared.specification.vendor import Vendor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VENDOR = Vendor(vendor="v", base_url="https://v.example", egress=("direct", "http://a.example", "http://b.example"))


def test_attempts_take_turns() -> None:
    rests = EgressRests()
    assert [rests.choose(VENDOR, attempt, NOW) for attempt in (1, 2, 3, 4)] == [*VENDOR.egress, "direct"]


def test_one_that_rests_is_passed_over_until_its_time() -> None:
    rests = EgressRests()
    assert rests.rest(VENDOR, "direct", NOW + timedelta(seconds=5), NOW) == NOW
    assert rests.choose(VENDOR, 1, NOW) == "http://a.example"
    assert rests.choose(VENDOR, 1, NOW + timedelta(seconds=5)) == "direct"


def test_when_all_rest_the_first_that_is_free_again_counts() -> None:
    rests = EgressRests()
    ends = [NOW + timedelta(seconds=seconds) for seconds in (5, 3600, 60)]
    free = [rests.rest(VENDOR, egress, end, NOW) for egress, end in zip(VENDOR.egress, ends, strict=True)]
    assert free == [NOW, NOW, ends[0]]
    assert rests.choose(VENDOR, 2, NOW) == "direct"


def test_vendors_do_not_share_rests() -> None:
    rests, other = EgressRests(), VENDOR.model_copy(update={"vendor": "w"})
    rests.rest(VENDOR, "direct", NOW + timedelta(seconds=5), NOW)
    assert rests.choose(other, 1, NOW) == "direct"
