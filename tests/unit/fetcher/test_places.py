"""Who may open how many calls in one process."""

from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.lanes.places import Places


def hang(places: Places, wanted: list[int]) -> list[int]:
    """What vendors hold that each want so many calls, one after the other, and answer none."""
    held: list[int] = []
    for most in wanted:
        mine = 0
        while mine < most and (more := places.free(open=mine, taken=sum(held) + mine)):
            mine += min(more, most - mine)
        held.append(mine)
    return held


def test_three_vendors_that_hang_leave_places_to_others() -> None:
    places = Places(calls=256, vendor_share=0.5)
    assert hang(places, [1000, 1000, 1000]) == [128, 64, 4]
    assert places.free(open=0, taken=196) == 4


def test_however_many_hang_with_the_default_in_flight_others_are_called() -> None:
    held = hang(Places(calls=256, vendor_share=0.5), [20] * 20)
    assert held == [*[20] * 9, 12, *[4] * 10]
    assert Places(calls=256, vendor_share=0.5).free(open=0, taken=sum(held)) == 4


def test_who_is_alone_may_have_its_share_and_who_is_slow_goes_on_with_a_few() -> None:
    places = Places(calls=256, vendor_share=0.5)
    assert places.free(open=0, taken=0) == 128
    assert places.free(open=128, taken=128) == 0
    assert places.free(open=3, taken=200) == 1
    assert places.free(open=4, taken=200) == 0


@given(st.integers(1, 300), st.floats(0.001, 1), st.lists(st.integers(1, 300), max_size=30))
def test_no_more_calls_are_open_than_the_process_may_have_and_the_first_always_leaves(
    calls: int, share: float, wanted: list[int]
) -> None:
    held = hang(Places(calls, share), wanted)
    assert sum(held) <= calls
    assert not wanted or held[0] >= 1
