"""When it is worth a lane's while to look for calls, and how long it waits before it looks again. Pure."""

from dataclasses import dataclass

from services.fetcher.permits.windows import SECOND

LONGEST_WAIT_SECONDS = 1.0
IDLE_SECONDS = 1.0
TURN_SECONDS = 0.004
_CROWDED_SECONDS, _LONGEST_CROWDED_SECONDS = 0.016, 0.5
"""While other fetchers have all that may be in flight, looks follow each other in pauses that double from the first of
these up to the second: their answers do not wake this lane."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """What a lane knows when it has its vendor's row, before it looks for calls.

    `may_come`: the vendor is not configured, but its configuration may be on its way. `refused`: the vendor refused
    something that is not written down yet. At the vendor `most` calls may be in flight; this process has `at_vendor`
    there, other fetchers `elsewhere`. The process has `free` slots for this lane. `crowded_seconds`: for how long the
    lane waited just now because others had all the room, or 0."""

    may_come: bool
    refused: bool
    paused_seconds: float
    free: int
    at_vendor: int
    elsewhere: int
    most: int
    crowded_seconds: float


@dataclass(frozen=True, slots=True)
class Look:
    """Look for calls: there is `room` for so many."""

    room: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after so many seconds; earlier for each new call if the lane `lacks_calls`, when the process gives it
    a slot if it `lacks_slots`, and to note what has left if there may be something `to_report`. `is_paused`: the vendor
    is. `crowded_seconds`: as in the next `LaneView`."""

    seconds: float
    lacks_calls: bool = False
    lacks_slots: bool = False
    is_paused: bool = False
    to_report: bool = False
    crowded_seconds: float = 0.0

    @property
    def may_end(self) -> bool:
        """Whether a lane with nothing open ends instead: the pass over all vendors opens one when there is a call and a
        slot for it, and the pause is over."""
        return self.seconds >= IDLE_SECONDS and (self.lacks_calls or self.lacks_slots or self.is_paused)


def look(view: LaneView) -> Look | Wait:
    """Whether a lane looks for calls. More calls change nothing while something is in their way. The end of each call
    that is open here wakes the lane."""
    if view.may_come:
        return _wait(view, IDLE_SECONDS / 2)
    if view.refused:
        return _wait(view, LONGEST_WAIT_SECONDS)
    if view.paused_seconds > 0:
        return _wait(view, min(view.paused_seconds, LONGEST_WAIT_SECONDS), is_paused=True)
    if view.at_vendor >= view.most:
        return _wait(view, LONGEST_WAIT_SECONDS)
    if view.free <= 0:
        return _wait(view, LONGEST_WAIT_SECONDS, lacks_slots=True)
    room = min(view.free, view.most - view.elsewhere - view.at_vendor)
    if room <= 0:
        seconds = min(max(_CROWDED_SECONDS, 2 * view.crowded_seconds), _LONGEST_CROWDED_SECONDS)
        return Wait(seconds, to_report=True, crowded_seconds=seconds)
    return Look(room)


def _wait(view: LaneView, seconds: float, *, lacks_slots: bool = False, is_paused: bool = False) -> Wait:
    return Wait(
        seconds,
        lacks_slots=lacks_slots,
        is_paused=is_paused,
        to_report=True,
        crowded_seconds=view.crowded_seconds,
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim came to, in calls: there was room for `room`, `found` were due, `due` of these got slots, and
    `leased` of these permits. `is_full`: no more may be in flight. `next_seconds`: until the next permits come near."""

    room: int
    found: int
    due: int
    leased: int
    is_full: bool
    next_seconds: float


def wait_after(claim: Claim) -> Wait:
    """When to look again after a claim. Where permits are short more calls change nothing, for hours if a quota is used
    up."""
    lacks_calls = claim.found < claim.room and claim.leased == claim.due
    lacks_slots = claim.due < claim.found
    if not claim.due:
        return Wait(IDLE_SECONDS, lacks_calls, lacks_slots, to_report=not lacks_calls)
    if claim.is_full:
        return Wait(LONGEST_WAIT_SECONDS, lacks_calls, lacks_slots, to_report=True)
    return Wait(TURN_SECONDS if claim.leased == claim.due else claim.next_seconds, lacks_calls, lacks_slots)


def seconds_until_near(next_at: int | None, until: int, now: int) -> float:
    """How long before it is worth a look for more permits, if the next has its moment then and permits were leased
    `until` then. Moments are microseconds on the database's clock."""
    return TURN_SECONDS if next_at is None else max(TURN_SECONDS, (next_at - now - (until - now) / 2) / SECOND)
