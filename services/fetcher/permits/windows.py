"""The windows of a contract: how long each counts what left in it, and where it stands. Pure."""

from dataclasses import dataclass

from shared.specification.vendor import Window

SECOND = 1_000_000
_SLACK_SHARE = 0.03
_LEAST_SLACK = 10_000
_BUCKETS = 200


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where a window stands: `arrival` is the theoretical arrival time, `sent` the log as (start, calls) of buckets."""

    key: str
    length: int
    arrival: int = 0
    sent: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Permits:
    """Where a vendor's contract stands: its windows in their order, after them at most one that is no longer part of
    the contract, and the permits that are leased and not yet reported."""

    windows: tuple[WindowState, ...] = ()
    leased: tuple[int, ...] = ()


def key_of(window: Window) -> str:
    """What makes a window the same window: a changed one is spaced anew, but what was called before still counts."""
    return f"{window.requests}/{length_of(window)}/{window.burst or 0}"


def length_in(key: str) -> int:
    """The length of the window with this key."""
    return int(key.split("/")[1])


def length_of(window: Window) -> int:
    """How long it is."""
    return round(window.per.total_seconds() * SECOND)


def full_length_of(window: Window) -> int:
    """Its length with the slack."""
    return length_of(window) + (0 if window.is_quota else _slack(length_of(window)))


def counted_in(window: Window) -> int:
    """How long after a bucket's start its calls count."""
    return bucket_of(length_of(window)) + full_length_of(window)


def counted_at_most(length: int) -> int:
    """The same of a window of which only the length is known, or longer."""
    return bucket_of(length) + length + _slack(length)


def bucket_of(length: int) -> int:
    """How much time one entry of a log stands for."""
    return max(1, length // _BUCKETS)


def interval_of(window: Window, pace: float) -> int:
    """The time between calls that are spaced; `pace` (0 to 1) makes it longer."""
    return -int(-length_of(window) // (window.requests * pace))


def _slack(length: int) -> int:
    return max(round(length * _SLACK_SHARE), _LEAST_SLACK)
