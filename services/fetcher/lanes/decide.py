"""When it is worth a lane's while to look for calls. Pure."""

from dataclasses import dataclass

from services.fetcher.permits.windows import SECOND

LONGEST_WAIT_SECONDS = 1.0
IDLE_SECONDS = 1.0
TURN_SECONDS = 0.004
_CROWDED_SECONDS, _LONGEST_CROWDED_SECONDS = 0.016, 0.5
"""While other fetchers have all that may be in flight, looks follow each other in pauses that double from the first of
these up to the second: their answers wake nobody here."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """What a lane knows before it looks: whether its vendor's configuration `may_come` yet, whether the vendor
    `refused` something that is not written down, and for how long it is paused; that `most` calls may be in flight
    there, that `at_vendor` of them are, and that the process has `free` slots for this lane."""

    may_come: bool
    refused: bool
    paused_seconds: float
    free: int
    at_vendor: int
    most: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """For so many seconds a look is not worth it; `lacks_slots`: unless a slot is free before. `is_paused`: because the
    vendor is."""

    seconds: float
    lacks_slots: bool = False
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Leased:
    """A permit, for a moment in microseconds on the database's clock."""

    moment: int


def not_yet(view: LaneView) -> NotYet | None:
    """How long a lane waits before it looks for calls, if anything is in their way. More calls change nothing then. The
    end of each call that is open here wakes the lane, and so does a slot that is given to it."""
    if view.may_come:
        return NotYet(IDLE_SECONDS / 2)
    if view.refused:
        return NotYet(LONGEST_WAIT_SECONDS)
    if view.paused_seconds > 0:
        return NotYet(min(view.paused_seconds, LONGEST_WAIT_SECONDS), is_paused=True)
    if view.at_vendor >= view.most:
        return NotYet(LONGEST_WAIT_SECONDS)
    if view.free <= 0:
        return NotYet(LONGEST_WAIT_SECONDS, lacks_slots=True)
    return None


def crowded_seconds(room: int, before: float) -> float:
    """How long a lane waits when other fetchers leave it so much room, if it waited `before`."""
    return 0.0 if room > 0 else min(max(_CROWDED_SECONDS, 2 * before), _LONGEST_CROWDED_SECONDS)


def pause_seconds(next_at: int | None, until: int, now: int, left: int) -> float:
    """When to look again after a claim that has `left` so many calls: more may be due at once, or not before the next
    moment comes near. Moments are microseconds on the database's clock; permits were leased `until` then."""
    if not left or next_at is None:
        return TURN_SECONDS
    return max(TURN_SECONDS, (next_at - now - (until - now) / 2) / SECOND)
