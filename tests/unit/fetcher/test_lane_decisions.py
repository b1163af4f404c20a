"""When it is worth a lane's while to look for calls."""

from dataclasses import replace
from typing import Any

import pytest

from services.fetcher.lanes.decide import (
    IDLE_SECONDS,
    LONGEST_WAIT_SECONDS,
    TURN_SECONDS,
    LaneView,
    NotYet,
    crowded_seconds,
    not_yet,
    pause_seconds,
)
from services.fetcher.permits.windows import SECOND

CLEAR = LaneView(may_come=False, refused=False, paused_seconds=-1.0, free=5, at_vendor=1, most=2)


def test_a_lane_looks_where_nothing_is_in_the_way() -> None:
    assert not_yet(CLEAR) is None


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        ({"may_come": True, "paused_seconds": 0.2}, IDLE_SECONDS / 2),
        ({"refused": True, "paused_seconds": 0.2}, LONGEST_WAIT_SECONDS),
        ({"at_vendor": 2, "free": 0}, LONGEST_WAIT_SECONDS),
    ],
)
def test_more_calls_change_nothing_while_something_else_is_waited_for(known: dict[str, Any], seconds: float) -> None:
    assert not_yet(replace(CLEAR, **known)) == NotYet(seconds)


def test_a_pause_is_waited_for_to_its_end_or_for_as_long_as_a_lane_waits_at_most() -> None:
    assert not_yet(replace(CLEAR, paused_seconds=0.2, free=0)) == NotYet(0.2, is_paused=True)
    assert not_yet(replace(CLEAR, paused_seconds=60.0)) == NotYet(LONGEST_WAIT_SECONDS, is_paused=True)


def test_only_where_nothing_else_is_waited_for_a_slot_changes_something() -> None:
    assert not_yet(replace(CLEAR, free=0)) == NotYet(LONGEST_WAIT_SECONDS, lacks_slots=True)


def test_looks_for_room_that_others_take_become_rarer_up_to_a_limit_until_there_is_some() -> None:
    waits = [0.0]
    for _ in range(8):
        waits.append(crowded_seconds(0, waits[-1]))
    assert waits[1:4] == [0.016, 0.032, 0.064]
    assert waits[-2:] == [0.5, 0.5]
    assert crowded_seconds(1, 0.5) == 0.0


def test_after_a_claim_the_next_look_comes_before_the_next_moment() -> None:
    next_at, until = 10 * SECOND, 2 * SECOND
    assert pause_seconds(next_at, until, 0, left=3) == 9.0
    assert pause_seconds(next_at, until, 0, left=0) == TURN_SECONDS
    assert pause_seconds(None, until, 0, left=3) == TURN_SECONDS
    assert pause_seconds(SECOND // 2, until, 0, left=3) == TURN_SECONDS
