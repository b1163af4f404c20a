"""Who may open how many calls in one process."""

from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.lanes.load import LaneLoad
from services.fetcher.lanes.slots import CallSlots, SlotRules

DEFAULT = SlotRules(calls=256, vendor_share=0.5)


def hang(
    slots: SlotRules, wanted: list[int], *, taken: int = 0, ad_hoc: int = 0, are_ad_hoc: bool = False
) -> list[int]:
    """What vendors hold that each want so many calls, one after the other, and answer none. Others have `taken` slots,
    `ad_hoc` of them ad-hoc vendors."""
    held: list[int] = []
    for most in wanted:
        mine = 0
        while mine < most and (
            more := slots.free(
                open=mine,
                taken=taken + sum(held) + mine,
                ad_hoc=ad_hoc + (sum(held) + mine) * are_ad_hoc,
                is_ad_hoc=are_ad_hoc,
            )
        ):
            mine += min(more, most - mine)
        held.append(mine)
    return held


def test_three_vendors_that_hang_leave_slots_to_others() -> None:
    assert hang(DEFAULT, [1000, 1000, 1000]) == [128, 64, 4]
    assert DEFAULT.free(open=0, taken=196) == 4


def test_vendors_that_hang_with_the_default_in_flight_leave_slots_to_others_up_to_the_33rd() -> None:
    common, few, last = [*[20] * 9, 12], [4] * 8, [1] * 16
    held = hang(DEFAULT, [20] * 34)
    assert held == [*common, *few, *last]
    assert DEFAULT.free(open=0, taken=sum(held[:33])) == 1
    assert DEFAULT.free(open=0, taken=sum(held)) == 0


def test_however_many_ad_hoc_vendors_hang_they_leave_half_of_the_slots() -> None:
    held = sum(hang(DEFAULT, [4] * 1000, are_ad_hoc=True))
    assert held == 128
    assert DEFAULT.free(open=0, taken=held, ad_hoc=held) == 64


def test_the_last_slots_are_for_vendors_with_no_call_open_and_ad_hoc_vendors_do_not_take_those_of_others() -> None:
    busy = 180
    held = sum(hang(DEFAULT, [1] * 1000, taken=busy, are_ad_hoc=True))
    assert held == 256 - 16 - busy
    assert hang(DEFAULT, [20] * 20, taken=busy + held, ad_hoc=held) == [*[1] * 16, *[0] * 4]


def test_however_many_configured_vendors_hang_ad_hoc_vendors_have_a_sixteenth_of_the_slots() -> None:
    held = sum(hang(DEFAULT, [20] * 1000))
    assert hang(DEFAULT, [20] * 20, taken=held, are_ad_hoc=True) == [*[1] * 16, *[0] * 4]


def test_who_is_alone_may_have_its_share_and_who_is_slow_goes_on_with_a_few() -> None:
    assert DEFAULT.free(open=0, taken=0) == 128
    assert DEFAULT.free(open=128, taken=128) == 0
    assert DEFAULT.free(open=3, taken=200) == 1
    assert DEFAULT.free(open=4, taken=200) == 0


@given(st.integers(1, 300), st.floats(0.001, 1), st.lists(st.integers(1, 300), max_size=30), st.booleans())
def test_no_more_calls_are_open_than_the_process_may_have_and_the_first_always_leaves(
    calls: int, share: float, wanted: list[int], ad_hoc: bool
) -> None:
    held = hang(SlotRules(calls, share), wanted, are_ad_hoc=ad_hoc)
    assert sum(held) <= calls
    assert not wanted or held[0] >= 1


class Lanes:
    """Vendors' loads, and which vendors were given a slot."""

    def __init__(self, *, calls: int) -> None:
        self.given: list[str] = []
        self.slots = CallSlots(SlotRules(calls, vendor_share=1), self._give)
        self._loads: dict[str, LaneLoad] = {}

    def load(self, vendor: str) -> LaneLoad:
        if vendor not in self._loads:
            self._loads[vendor] = LaneLoad(vendor, self.slots, lambda: None)
            self._loads[vendor].most = 1000
        return self._loads[vendor]

    def line_up(self, *vendors: str) -> None:
        """These have calls that are due and none open, and no others have."""
        self.slots.forget_others(vendors)
        for vendor in vendors:
            self.slots.wait(vendor)
        self.slots.offer()

    def opens(self, vendor: str, count: int) -> None:
        """The vendor's lane opens so many calls."""
        self.load(vendor).reserve(count)
        self.load(vendor).claimed(count)

    def looks(self, vendor: str) -> None:
        """The vendor's lane looks, and opens no call: for want of slots if it has none."""
        load = self.load(vendor)
        load.claimed(0, lacks_slots=load.free <= 0)

    def _give(self, vendor: str) -> None:
        self.given.append(vendor)
        self.load(vendor).reserve(self.load(vendor).reserved + 1)


def test_a_slot_that_gets_free_goes_to_the_first_in_line_and_to_no_other() -> None:
    lanes = Lanes(calls=2)
    lanes.line_up("a", "b", "url:c", "d")
    assert lanes.given == ["url:c", "a"]
    for _ in range(3):
        lanes.line_up("d", "url:e", "b")
    assert lanes.given == ["url:c", "a"]
    lanes.looks("a")
    assert lanes.given == ["url:c", "a", "b"]
    lanes.looks("url:c")
    assert lanes.given == ["url:c", "a", "b", "url:e"]
    lanes.line_up()
    lanes.looks("b")
    assert lanes.given == ["url:c", "a", "b", "url:e"]


def test_a_vendor_for_which_no_call_was_found_waits_no_more() -> None:
    lanes = Lanes(calls=1)
    lanes.line_up("a", "b")
    for _ in range(3):
        for vendor in "ab":
            lanes.looks(vendor)
    assert lanes.given == ["a", "b"]


def test_a_slot_that_a_vendor_does_not_use_goes_to_the_next() -> None:
    lanes = Lanes(calls=1)
    lanes.opens("a", 1)
    for vendor in "bcd":
        lanes.looks(vendor)
    lanes.slots.give_back("a", 1)
    for vendor in "bc":
        lanes.looks(vendor)
    assert lanes.given == ["b", "c", "d"]


def test_a_slot_that_was_given_can_be_used_whatever_others_take_since() -> None:
    lanes = Lanes(calls=32)
    lanes.opens("url:a", 2)
    lanes.opens("a", 27)
    lanes.line_up("url:b")
    for vendor in "bc":
        lanes.opens(vendor, 1)
    assert (lanes.given, lanes.load("url:b").free) == (["url:b"], 1)


def test_no_slot_is_given_to_a_vendor_that_could_not_use_it() -> None:
    """It has calls open already, or ad-hoc vendors have all that they may."""
    lanes = Lanes(calls=8)
    lanes.opens("url:a", 4)
    lanes.opens("a", 4)
    for vendor in ("a", "url:b", "b"):
        lanes.looks(vendor)
    lanes.slots.give_back("a", 1)
    assert lanes.given == ["b"]


def test_ad_hoc_vendors_get_slots_while_configured_ones_wait_for_all_that_get_free() -> None:
    lanes, busy = Lanes(calls=16), [f"v{number}" for number in range(100)]
    lanes.line_up(*busy)
    lanes.line_up(*busy, "url:a", "url:b")
    assert lanes.given == [*busy[:15], "url:a"]
    lanes.looks("url:a")
    assert lanes.given[16:] == ["url:b"]
    lanes.looks("v0")
    assert lanes.given[17:] == ["v15"]
