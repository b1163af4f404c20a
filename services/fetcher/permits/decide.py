"""Where a contract stands after what was reported, and how far ahead and how fast permits may be leased. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from services.fetcher.permits.windows import (
    SECOND,
    Permits,
    WindowState,
    bucket_of,
    counted_at_most,
    counted_in,
    full_length_of,
    interval_of,
    key_of,
    length_of,
)
from shared.specification.vendor import Budget, Window

LATEST = SECOND // 2
"""No call begins later than this after the moment of its permit."""
KEPT = 6 * SECOND
"""No request is written to its socket later than this after the moment of its permit. It is enough to begin (`LATEST`)
and to connect (`timeouts.connect`, 5 s by default)."""
FARTHEST_AHEAD = 10 * SECOND
"""No permit is leased for a moment farther ahead."""
_SLOWEST_PACE = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the permit for `moment`: its call left at `sent_at`, or never if that is None. A report that is
    noted again, after a commit of unknown outcome, has no moment: another call may have a permit for the same."""

    moment: int | None
    sent_at: int | None


def ahead_of(budget: Budget, most: int) -> int:
    """How far ahead permits may be leased: `most` microseconds, and less than half of the shortest window, so that
    what is leased now still counts wherever it is used."""
    return min([most, *(length_of(window) // 2 for window in budget.windows)])


def record(budget: Budget, permits: Permits, reports: Sequence[Report], now: int) -> Permits:
    """The permits after what was reported, in the windows that the contract has now."""
    leased, sent = _settle(permits.leased, reports, now)
    states = [_state(window, permits.windows, now) for window in budget.windows]
    states = _repair(budget, states, now, was_put_back=_was_put_back(permits, now))
    logs = [_log(state, counted_in(window), sent, now) for window, state in zip(budget.windows, states, strict=True)]
    outlasting = _outlasting(budget, permits.windows, sent, now)
    if outlasting is not None and (outlasting.sent or leased):
        logs.append(outlasting)
    return Permits(tuple(logs), leased)


def _settle(leased: Sequence[int], reports: Sequence[Report], now: int) -> tuple[tuple[int, ...], list[int]]:
    """The permits that are still to be reported, and when calls left. What was not reported in time, because its
    fetcher is gone, counts as left at the last moment at which it could have."""
    unreported = list(leased)
    for report in reports:
        if report.moment is not None and report.moment in unreported:
            unreported.remove(report.moment)
    unreported = [min(moment, now + FARTHEST_AHEAD) for moment in unreported]
    sent = [report.sent_at for report in reports if report.sent_at is not None]
    given_up = [moment for moment in unreported if moment + KEPT < now]
    return tuple(moment for moment in unreported if moment + KEPT >= now), [*sent, *(at + KEPT for at in given_up)]


def _repair(budget: Budget, states: list[WindowState], now: int, *, was_put_back: bool) -> list[WindowState]:
    """All windows are spaced anew after the database's clock was put back: what they are spaced from would stop the
    vendor until the clock is there again."""
    if was_put_back or any(map(_lies_far_ahead, budget.windows, states, repeat(now))):
        return [_spaced_anew(window, state, now) for window, state in zip(budget.windows, states, strict=True)]
    return states


def _was_put_back(permits: Permits, now: int) -> bool:
    """Whether the clock is earlier than what it has shown already."""
    logged = any(start > now for state in permits.windows for start, _ in state.sent)
    return logged or any(moment > now + FARTHEST_AHEAD for moment in permits.leased)


def _lies_far_ahead(window: Window, state: WindowState, now: int) -> bool:
    """Whether a window is spaced from a time that no permit of now can have led to, however slow its pace. A quota is
    not spaced: its arrival time runs ahead, and means nothing."""
    farthest = now + FARTHEST_AHEAD + (window.burst or 1) * interval_of(window, _SLOWEST_PACE)
    return not window.is_quota and state.arrival > farthest


def _spaced_anew(window: Window, state: WindowState, now: int) -> WindowState:
    """As if the burst had been used up just now."""
    return replace(state, arrival=min(state.arrival, now + (window.burst or 1) * interval_of(window, 1.0)))


def _outlasting(budget: Budget, known: Sequence[WindowState], sent: Sequence[int], now: int) -> WindowState | None:
    """The longest log, if the contract has no window as long any more. A quota may leave the contract and come back,
    with its vendor or in a new version of it, and must then know what was called meanwhile. Permits that are still to
    be reported need the log as well."""
    longest = max(known, key=lambda state: state.length, default=None)
    if longest is None or any(length_of(window) >= longest.length for window in budget.windows):
        return None
    return _log(longest, counted_at_most(longest.length), sent, now)


def _state(window: Window, known: Sequence[WindowState], now: int) -> WindowState:
    """Where a window stands. Every log counts the same calls, each as far back as its window is long. So a new window
    takes over the log of its length, else the next longer one, else the longest that there is: a window that is longer
    than all before it knows no more than that."""
    key, length = key_of(window), length_of(window)
    same = next((state for state in known if state.key == key), None)
    if same is not None or not known:
        return same or WindowState(key, length, now)
    nearest = min(known, key=lambda state: (state.length < length, abs(state.length - length)))
    later = max(0, bucket_of(nearest.length) - bucket_of(length))
    return WindowState(key, length, now, tuple((start + later, calls) for start, calls in nearest.sent))


def _log(state: WindowState, counted: int, sent: Sequence[int], now: int) -> WindowState:
    """The log with these calls, and without those that are older than what is `counted`."""
    calls: dict[int, int] = {}
    bucket = bucket_of(state.length)
    latest = now - now % bucket
    for start, count in [*state.sent, *((moment - moment % bucket, 1) for moment in sent)]:
        calls[min(start, latest)] = calls.get(min(start, latest), 0) + count
    kept = {start: count for start, count in calls.items() if start + counted > now}
    return replace(state, sent=tuple(sorted(kept.items())))


def rate_of(budget: Budget, pace: float = 1.0) -> float | None:
    """Requests per second that the spaced windows allow, or nothing if there is none."""
    spaced = [window for window in budget.windows if not window.is_quota]
    paced = [SECOND / interval_of(window, pace) for window in spaced]
    logged = [SECOND * window.most / full_length_of(window) for window in spaced]
    return min(paced + logged) if spaced else None
