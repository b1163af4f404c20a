"""The arithmetic of permits: when the next calls may leave, so that no window of the contract is ever exceeded. Pure.

A permit is a moment. Spaced windows follow the generic cell rate algorithm (GCRA, ITU-T I.371): a window of N calls
in W with burst B lets a call leave when the theoretical arrival time is at most (B-1) intervals ahead, and then moves
that time by one interval. Quotas count: the calls of the last W, kept in a hundred buckets, must stay below N.

Proof idea for a spaced window. With the interval T = (W + slack) / N, the first and the last of any N + B permits are
at least N·T = W + slack apart, so a window of W that sees N + B calls has seen some arrive more than `slack` later
than their permits and others not. A fetcher drops a permit that it could not use within a third of the slack; the
other two thirds are for the network and the vendor's own clockwork. Permits that are dropped, or lost by a crash, are
calls not made: the contract is under-used, never broken.

All times are whole microseconds on the database's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.specification.vendor import Budget, Window

SECOND = 1_000_000
_SLACK_SHARE = 0.042
_LEAST_SLACK = 10_000
_FETCHER_PART = 3
_BUCKETS = 100


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where a window stands: `arrival` is the theoretical arrival time, `buckets` are (start, calls) of a quota."""

    key: str
    arrival: int = 0
    buckets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The moments that were leased, in order, and the windows after them. `next_at`: when there may be more."""

    moments: tuple[int, ...]
    windows: tuple[WindowState, ...]
    next_at: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many permits are wanted, from `now` on, none later than `until`; `pace` (0 to 1) slows spaced windows."""

    count: int
    now: int
    until: int
    pace: float = 1.0


def key_of(window: Window) -> str:
    """What makes a window the same window: a changed contract starts with a new state."""
    return f"{window.requests}/{_length(window)}/{window.burst or 0}"


def slack_of(budget: Budget) -> int:
    """Microseconds by which a call may miss its permit's moment, the third that belongs to the fetcher; the tightest
    spaced window decides. Without one, permits stay good for a minute."""
    spaced = [_slack(window) for window in budget.windows if not window.is_quota]
    return min(spaced) // _FETCHER_PART if spaced else 60 * SECOND


def lease(budget: Budget, states: Sequence[WindowState], wanted: Wanted) -> Lease:
    """Lease up to `wanted.count` moments. Without windows every moment is now."""
    if not budget.windows:
        return Lease((wanted.now,) * wanted.count, ())
    found = {state.key: state for state in states}
    windows = [found.get(key_of(window), WindowState(key_of(window), wanted.now)) for window in budget.windows]
    moments: list[int] = []
    while True:
        moment = _earliest(budget, windows, wanted)
        if len(moments) == wanted.count or moment > wanted.until:
            return Lease(tuple(moments), tuple(windows), moment)
        moments.append(moment)
        windows = [_take(*pair, moment, wanted.pace) for pair in zip(budget.windows, windows, strict=True)]


def _earliest(budget: Budget, states: Sequence[WindowState], wanted: Wanted) -> int:
    moment = wanted.now
    while True:
        later = max(_allowed(*pair, moment, wanted.pace) for pair in zip(budget.windows, states, strict=True))
        if later <= moment:
            return moment
        moment = later


def _allowed(window: Window, state: WindowState, moment: int, pace: float) -> int:
    """The earliest time from `moment` on at which this window lets a call leave."""
    if not window.is_quota:
        return max(moment, state.arrival - ((window.burst or 1) - 1) * _interval(window, pace))
    length, used = _length(window), 0
    for start, calls in reversed(state.buckets):
        if start + _bucket(window) + length <= moment:
            break
        used += calls
        if used >= window.requests:
            return start + _bucket(window) + length
    return moment


def _take(window: Window, state: WindowState, moment: int, pace: float) -> WindowState:
    if not window.is_quota:
        return replace(state, arrival=max(state.arrival, moment) + _interval(window, pace))
    start = moment - moment % _bucket(window)
    oldest = moment - _length(window) - _bucket(window)
    kept = tuple(bucket for bucket in state.buckets if bucket[0] > oldest)
    if kept and kept[-1][0] == start:
        return replace(state, buckets=(*kept[:-1], (start, kept[-1][1] + 1)))
    return replace(state, buckets=(*kept, (start, 1)))


def rate_of(budget: Budget, pace: float = 1.0) -> float | None:
    """Requests per second that the spaced windows allow, or nothing if there is none."""
    rates = [SECOND / _interval(window, pace) for window in budget.windows if not window.is_quota]
    return min(rates) if rates else None


def _length(window: Window) -> int:
    return round(window.per.total_seconds() * SECOND)


def _slack(window: Window) -> int:
    return max(round(_length(window) * _SLACK_SHARE), _LEAST_SLACK)


def _interval(window: Window, pace: float) -> int:
    spread = _length(window) + _slack(window)
    return -int(-spread // (window.requests * pace))


def _bucket(window: Window) -> int:
    return max(1, _length(window) // _BUCKETS)
