"""Leases moments: when the next calls may leave, so that no window is exceeded. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.fetcher.permits.windows import Permits, WindowState, counted_in, full_length_of, interval_of
from shared.specification.vendor import Budget, Window


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


def lease(budget: Budget, permits: Permits, wanted: LeaseRequest) -> Lease:
    """Lease up to `wanted.count` moments from recorded permits. Without windows every moment is now."""
    if not budget.windows:
        return Lease((wanted.now,) * wanted.count, permits)
    states = permits.windows[: len(budget.windows)]
    windows = [_Cursor(*pair, permits.leased, wanted) for pair in zip(budget.windows, states, strict=True)]
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


def _earliest(windows: Sequence["_Cursor"], moment: int) -> int:
    while True:
        later = max(window.allowed(moment) for window in windows)
        if later <= moment:
            return moment
        moment = later


class _Cursor:
    """A window while moments are leased from it, in their order."""

    def __init__(self, window: Window, state: WindowState, leased: Sequence[int], wanted: LeaseRequest) -> None:
        self.state, self.arrival = state, state.arrival
        self._spaced = not window.is_quota
        self._interval = interval_of(window, wanted.pace)
        self._ahead = ((window.burst or 1) - 1) * self._interval
        self._most = window.most
        self._length = full_length_of(window)
        counted = counted_in(window)
        logged = [(start + counted, calls) for start, calls in state.sent]
        unreported = [(max(moment, wanted.now) + self._length, 1) for moment in leased]
        self._ends = deque(sorted(logged + unreported))
        """When calls leave the window, each with how many do."""
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
