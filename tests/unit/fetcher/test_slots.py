"""Who may open how many calls in one process."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.lanes.slots import CallSlots, SlotRules

DEFAULT = SlotRules(calls=256, vendor_share=0.5)


def hang(slots: SlotRules, wanted: list[int], *, taken: int = 0, ad_hoc: bool = False) -> list[int]:
    """What vendors hold that each want so many calls, one after the other, and answer none."""
    held: list[int] = []
    for most in wanted:
        mine = 0
        while mine < most and (
            more := slots.free(open=mine, taken=taken + sum(held) + mine, ad_hoc=sum(held) + mine if ad_hoc else None)
        ):
            mine += min(more, most - mine)
        held.append(mine)
    return held


def test_three_vendors_that_hang_leave_slots_to_others() -> None:
    assert hang(DEFAULT, [1000, 1000, 1000]) == [128, 64, 4]
    assert DEFAULT.free(open=0, taken=196) == 4


def test_vendors_that_hang_with_the_default_in_flight_leave_slots_to_others_up_to_the_37th() -> None:
    held = hang(DEFAULT, [20] * 38)
    assert held == [*[20] * 9, 12, *[4] * 12, *[1] * 16]
    assert DEFAULT.free(open=0, taken=sum(held[:26])) == 1
    assert DEFAULT.free(open=0, taken=sum(held[:37])) == 1
    assert DEFAULT.free(open=0, taken=sum(held)) == 0


def test_however_many_ad_hoc_vendors_hang_they_leave_half_of_the_slots() -> None:
    held = sum(hang(DEFAULT, [4] * 1000, ad_hoc=True))
    assert held == 128
    assert DEFAULT.free(open=0, taken=held) == 64


def test_the_last_slots_are_for_configured_vendors_with_no_call_open() -> None:
    busy = 180
    held = sum(hang(DEFAULT, [1] * 1000, taken=busy, ad_hoc=True))
    assert held == 256 - 16 - busy
    assert hang(DEFAULT, [20] * 20, taken=busy + held) == [*[1] * 16, *[0] * 4]


def test_who_is_alone_may_have_its_share_and_who_is_slow_goes_on_with_a_few() -> None:
    assert DEFAULT.free(open=0, taken=0) == 128
    assert DEFAULT.free(open=128, taken=128) == 0
    assert DEFAULT.free(open=3, taken=200) == 1
    assert DEFAULT.free(open=4, taken=200) == 0


@given(st.integers(1, 300), st.floats(0.001, 1), st.lists(st.integers(1, 300), max_size=30), st.booleans())
def test_no_more_calls_are_open_than_the_process_may_have_and_the_first_always_leaves(
    calls: int, share: float, wanted: list[int], ad_hoc: bool
) -> None:
    held = hang(SlotRules(calls, share), wanted, ad_hoc=ad_hoc)
    assert sum(held) <= calls
    assert not wanted or held[0] >= 1


def test_a_slot_that_gets_free_goes_to_the_first_in_line_and_wakes_no_other() -> None:
    opened = list[str]()

    def open_lane(vendor: str) -> None:
        opened.append(vendor)
        slots.take(vendor, 1)

    slots = CallSlots(SlotRules(calls=2, vendor_share=1), open_lane)
    slots.line_up(["a", "b", "url:c", "d"])
    assert opened == ["url:c", "a"]
    for _ in range(3):
        slots.line_up(["d", "url:e", "b"])
    assert opened == ["url:c", "a"]
    slots.give_back("a", 1)
    assert opened == ["url:c", "a", "b"]
    slots.give_back("url:c", 1)
    assert opened == ["url:c", "a", "b", "url:e"]
    slots.line_up([])
    slots.give_back("b", 1)
    assert opened == ["url:c", "a", "b", "url:e"]


def test_a_slot_that_gets_free_has_a_vendor_look_that_wants_more_of_them() -> None:
    looked = list[str]()
    slots = CallSlots(SlotRules(calls=2, vendor_share=1), looked.append)
    slots.take("a", 2)
    for vendor in "abc":
        slots.want_more(vendor, partial(looked.append, vendor))
    slots.give_back("a", 2)
    assert looked == ["a", "b"]
