"""The arithmetic of permits: when the next calls may leave, so that no window of the contract is ever exceeded. Pure.

A permit is a moment at which a call may leave. Two rules give it, for each window of N calls in W:

Spacing follows the generic cell rate algorithm (GCRA, ITU-T I.371): with burst B a call may leave when the theoretical
arrival time is at most B-1 intervals of W/N ahead, and moves that time by one interval. A quota is not spaced.

The log counts the calls that truly left. Whoever uses a permit reports when the request was written to the socket, or
that it never was; until then the permit counts as used at this very instant. So the log never holds less than what the
vendor may have seen, and a call may leave late without breaking a window later on: the calls after it move instead. At
most N calls (in a window of up to a minute with a burst N + B - 1) may stand in W + slack, where the slack is only for
the way to the vendor and the vendor's own clockwork. Permits that nobody reports, because their fetcher is gone, count
as used at the last moment at which they could have been.

All times are whole microseconds on the database's clock. When that is put back, what is written down seems to lie in
the future. No call has left later than now, so none counts for longer than from now on.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from shared.specification.vendor import Budget, Window

SECOND = 1_000_000
LATEST = SECOND // 2
"""A permit is not used later than this after its moment."""
FARTHEST_AHEAD = 10 * SECOND
"""No permit is leased for a moment farther ahead."""
_SILENCE = 2 * SECOND
"""Nobody reports a permit after this: connecting included, it was used by then, or never will be."""
_SLOWEST_PACE = 0.05
_SLACK_SHARE = 0.03
_LEAST_SLACK = 10_000
_BUCKETS = 200


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where a window stands: `arrival` is the theoretical arrival time, `sent` the log as (start, calls) of buckets."""

    key: str
    arrival: int = 0
    sent: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Permits:
    """Where a vendor's contract stands: its windows in their order, after them at most one that is no longer part of
    the contract, and the permits that are leased and not yet reported."""

    windows: tuple[WindowState, ...] = ()
    leased: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a permit: when its call left, or None where it never did. What is noted again, as nobody knows
    whether it was, goes without the moment: others may have a permit for the same."""

    moment: int | None
    sent_at: int | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The moments that were leased, in order, and the permits after them. `next_at`: when there may be more."""

    moments: tuple[int, ...]
    permits: Permits
    next_at: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """How many permits are wanted, from `now` on, none later than `until`; `pace` (0 to 1) slows spaced windows."""

    count: int
    now: int
    until: int
    pace: float = 1.0


def key_of(window: Window) -> str:
    """What makes a window the same window: a changed one is spaced anew, but what was called before still counts."""
    return f"{window.requests}/{_length(window)}/{window.burst or 0}"


def ahead_of(budget: Budget, most: int) -> int:
    """How far ahead permits may be leased: `most` microseconds, and less than half of the shortest window, so that
    what is leased now still counts wherever it is used."""
    return min([most, *(_length(window) // 2 for window in budget.windows)])


def record(budget: Budget, permits: Permits, reports: Sequence[Report], now: int) -> Permits:
    """The permits after what was reported, in the windows that the contract has now."""
    leased, sent = list(permits.leased), []
    for report in reports:
        if report.moment is not None and report.moment in leased:
            leased.remove(report.moment)
        if report.sent_at is not None:
            sent.append(report.sent_at)
    leased = [min(moment, now + FARTHEST_AHEAD) for moment in leased]
    silent = [moment for moment in leased if moment + _SILENCE < now]
    sent += [moment + _SILENCE for moment in silent]
    states = [_state(window, permits.windows, now) for window in budget.windows]
    if _was_put_back(permits, now) or any(map(_lies_far_ahead, budget.windows, states, repeat(now))):
        states = [_spaced_anew(window, state, now) for window, state in zip(budget.windows, states, strict=True)]
    windows = [_log(state, _counted(window), sent, now) for window, state in zip(budget.windows, states, strict=True)]
    return Permits(
        (*windows, *_outlasting(budget, permits.windows, sent, now)),
        tuple(moment for moment in leased if moment not in silent),
    )


def _was_put_back(permits: Permits, now: int) -> bool:
    """Whether the clock was: it is earlier than what it has shown already."""
    logged = any(start > now for state in permits.windows for start, _ in state.sent)
    return logged or any(moment > now + FARTHEST_AHEAD for moment in permits.leased)


def _lies_far_ahead(window: Window, state: WindowState, now: int) -> bool:
    """Whether a window is spaced from a time that no permit of now can have led to, however slow its pace."""
    return state.arrival > now + FARTHEST_AHEAD + (window.burst or 1) * _interval(window, _SLOWEST_PACE)


def _spaced_anew(window: Window, state: WindowState, now: int) -> WindowState:
    """As if the burst had been used up just now."""
    return replace(state, arrival=min(state.arrival, now + (window.burst or 1) * _interval(window, 1.0)))


def _outlasting(budget: Budget, known: Sequence[WindowState], sent: Sequence[int], now: int) -> tuple[WindowState, ...]:
    """The longest log, where the contract has no window as long: a quota that was taken out of the contract and comes
    back, with its vendor or by a new version of it, must know what was called meanwhile."""
    longest = max(known, key=_length_of, default=None)
    if longest is None or any(_length(window) >= _length_of(longest) for window in budget.windows):
        return ()
    state = _log(longest, _counted_of(longest), sent, now)
    return (state,) if state.sent else ()


def _state(window: Window, known: Sequence[WindowState], now: int) -> WindowState:
    """Where a window stands. Every log counts the same calls, so a new window takes over the one of its length, else
    the next longer, else the longest that there is."""
    key, length = key_of(window), _length(window)
    same = next((state for state in known if state.key == key), None)
    if same is not None or not known:
        return same or WindowState(key, now)
    nearest = min(known, key=lambda state: (_length_of(state) < length, abs(_length_of(state) - length)))
    later = max(0, _bucket(_length_of(nearest)) - _bucket(length))
    return WindowState(key, now, tuple((start + later, calls) for start, calls in nearest.sent))


def _log(state: WindowState, counted: int, sent: Sequence[int], now: int) -> WindowState:
    """The log with these calls, and without those that are older than what is `counted`."""
    calls: dict[int, int] = {}
    bucket = _bucket(_length_of(state))
    latest = now - now % bucket
    for start, count in [*state.sent, *((moment - moment % bucket, 1) for moment in sent)]:
        calls[min(start, latest)] = calls.get(min(start, latest), 0) + count
    kept = {start: count for start, count in calls.items() if start + counted > now}
    return replace(state, sent=tuple(sorted(kept.items())))


def lease(budget: Budget, permits: Permits, wanted: LeaseRequest) -> Lease:
    """Lease up to `wanted.count` moments from recorded permits. Without windows every moment is now."""
    if not budget.windows:
        return Lease((wanted.now,) * wanted.count, permits)
    states = permits.windows[: len(budget.windows)]
    windows = [_Run(*pair, permits.leased, wanted) for pair in zip(budget.windows, states, strict=True)]
    moments: list[int] = []
    while True:
        moment = _earliest(windows, moments[-1] if moments else wanted.now)
        if len(moments) == wanted.count or moment > wanted.until:
            leased = [replace(window.state, arrival=window.arrival) for window in windows]
            after = Permits((*leased, *permits.windows[len(leased) :]), (*permits.leased, *moments))
            return Lease(tuple(moments), after, moment)
        moments.append(moment)
        for window in windows:
            window.take(moment)


def _earliest(windows: Sequence["_Run"], moment: int) -> int:
    while True:
        later = max(window.allowed(moment) for window in windows)
        if later <= moment:
            return moment
        moment = later


class _Run:
    """A window while moments are leased from it; they only go forward."""

    def __init__(self, window: Window, state: WindowState, leased: Sequence[int], wanted: LeaseRequest) -> None:
        self.state, self.arrival = state, state.arrival
        self._spaced = not window.is_quota
        self._interval = _interval(window, wanted.pace)
        self._ahead = ((window.burst or 1) - 1) * self._interval
        self._most = window.most
        self._length = _length(window) + _slack(window)
        logged = [(start + _counted(window), calls) for start, calls in state.sent]
        waiting = [(max(moment, wanted.now) + self._length, 1) for moment in leased]
        self._ends = deque(sorted(logged + waiting))
        self._count = sum(calls for _, calls in self._ends)

    def allowed(self, moment: int) -> int:
        """The earliest time from `moment` on at which this window lets a call leave."""
        if self._spaced:
            moment = max(moment, self.arrival - self._ahead)
        while self._ends and (self._ends[0][0] <= moment or self._count >= self._most):
            end, calls = self._ends.popleft()
            self._count -= calls
            moment = max(moment, end)
        return moment

    def take(self, moment: int) -> None:
        """A call leaves then."""
        self.arrival = max(self.arrival, moment) + self._interval
        self._ends.append((moment + self._length, 1))
        self._count += 1


def rate_of(budget: Budget, pace: float = 1.0) -> float | None:
    """Requests per second that the spaced windows allow, or nothing if there is none."""
    spaced = [window for window in budget.windows if not window.is_quota]
    paced = [SECOND / _interval(window, pace) for window in spaced]
    logged = [SECOND * window.most / (_length(window) + _slack(window)) for window in spaced]
    return min(paced + logged) if spaced else None


def _length(window: Window) -> int:
    return round(window.per.total_seconds() * SECOND)


def _slack(window: Window) -> int:
    return 0 if window.is_quota else max(round(_length(window) * _SLACK_SHARE), _LEAST_SLACK)


def _counted(window: Window) -> int:
    """How long after a bucket's start its calls count."""
    return _bucket(_length(window)) + _length(window) + _slack(window)


def _counted_of(state: WindowState) -> int:
    """The same of a window of which only the state is known, and at least as long."""
    length = _length_of(state)
    return _bucket(length) + length + max(round(length * _SLACK_SHARE), _LEAST_SLACK)


def _interval(window: Window, pace: float) -> int:
    return -int(-_length(window) // (window.requests * pace))


def _length_of(state: WindowState) -> int:
    return int(state.key.split("/")[1])


def _bucket(length: int) -> int:
    return max(1, length // _BUCKETS)
