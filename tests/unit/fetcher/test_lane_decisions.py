"""When it is worth a lane's while to look for calls."""

from dataclasses import replace
from typing import Any

import pytest

from services.fetcher.lanes.decide import (
    IDLE_SECONDS,
    LONGEST_WAIT_SECONDS,
    TURN_SECONDS,
    Claim,
    LaneView,
    Look,
    Wait,
    look,
    seconds_until_near,
    wait_after,
)
from services.fetcher.permits.windows import SECOND

CLEAR = LaneView(
    may_come=False,
    refused=False,
    paused_seconds=-1.0,
    free=5,
    at_vendor=1,
    elsewhere=1,
    most=4,
    crowded_seconds=0.0,
)
ALL = Claim(room=3, found=3, due=3, leased=3, is_full=False, next_seconds=9.0)


@pytest.mark.parametrize(("known", "room"), [({}, 2), ({"free": 1}, 1), ({"elsewhere": 0}, 3)])
def test_a_lane_looks_for_as_many_calls_as_there_is_room_for(known: dict[str, Any], room: int) -> None:
    assert look(replace(CLEAR, **known)) == Look(room)


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        ({"may_come": True, "paused_seconds": 0.2}, IDLE_SECONDS / 2),
        ({"refused": True, "paused_seconds": 0.2}, LONGEST_WAIT_SECONDS),
        ({"at_vendor": 4, "free": 0}, LONGEST_WAIT_SECONDS),
    ],
)
def test_more_calls_change_nothing_while_something_else_is_waited_for(known: dict[str, Any], seconds: float) -> None:
    wait = look(replace(CLEAR, **known))
    assert wait == Wait(seconds, to_report=True)
    assert not wait.may_end


def test_a_short_pause_is_waited_for_to_its_end_and_in_a_long_one_an_idle_lane_ends() -> None:
    short = look(replace(CLEAR, paused_seconds=0.2, free=0))
    assert short == Wait(0.2, is_paused=True, to_report=True)
    long = look(replace(CLEAR, paused_seconds=60.0))
    assert long == Wait(LONGEST_WAIT_SECONDS, is_paused=True, to_report=True)
    assert (short.may_end, long.may_end) == (False, True)


def test_only_where_nothing_else_is_waited_for_a_slot_changes_something() -> None:
    wait = look(replace(CLEAR, free=0))
    assert wait == Wait(LONGEST_WAIT_SECONDS, lacks_slots=True, to_report=True)
    assert wait.may_end


def test_looks_for_room_that_others_take_become_rarer_up_to_a_limit() -> None:
    waits = [0.0]
    for _ in range(8):
        wait = look(replace(CLEAR, elsewhere=4, crowded_seconds=waits[-1]))
        assert isinstance(wait, Wait)
        assert wait.seconds == wait.crowded_seconds
        waits.append(wait.seconds)
    assert waits[1:4] == [0.016, 0.032, 0.064]
    assert waits[-2:] == [0.5, 0.5]
    paused = look(replace(CLEAR, paused_seconds=0.2, crowded_seconds=0.5))
    assert isinstance(paused, Wait)
    assert paused.crowded_seconds == 0.5


def test_the_next_look_comes_before_the_next_moment() -> None:
    assert seconds_until_near(10 * SECOND, 2 * SECOND, 0) == 9.0
    assert seconds_until_near(SECOND // 2, 2 * SECOND, 0) == TURN_SECONDS
    assert seconds_until_near(None, 2 * SECOND, 0) == TURN_SECONDS


@pytest.mark.parametrize(
    ("claim", "wait"),
    [
        (ALL, Wait(TURN_SECONDS)),
        (replace(ALL, found=2, due=2, leased=2), Wait(TURN_SECONDS, lacks_calls=True)),
        (replace(ALL, found=2, due=2, leased=1), Wait(9.0)),
        (replace(ALL, due=2, leased=2), Wait(TURN_SECONDS, lacks_slots=True)),
        (replace(ALL, is_full=True), Wait(LONGEST_WAIT_SECONDS, to_report=True)),
        (replace(ALL, found=0, due=0, leased=0), Wait(IDLE_SECONDS, lacks_calls=True)),
        (replace(ALL, due=0, leased=0), Wait(IDLE_SECONDS, lacks_slots=True, to_report=True)),
    ],
)
def test_after_a_claim_a_lane_waits_for_what_it_lacked(claim: Claim, wait: Wait) -> None:
    assert wait_after(claim) == wait
