"""The rate contract as a vendor would enforce it. Pure but for the window it remembers; time is an argument.

The window is exact: a log of arrivals, not a bucket, so what it admits is a plain count that can be checked by hand.
Windows are half-open, (now - per_seconds, now]: two arrivals exactly per_seconds apart are never in the same one.
"""

import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate

from infra.simulator.config import Contract, ResetField, RetryAfterForm

VERY_LONG_SECONDS = 86_400
_CLIENTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Quota:
    """How a window stands after a request."""

    contract: Contract
    remaining: int
    """Requests that would be admitted right now."""
    reset_seconds: float
    """Time until the oldest counted request leaves the window; 0 if there is none."""


class SlidingWindow:
    """Arrivals inside one window of one client."""

    __slots__ = ("_arrivals", "_contract")

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._arrivals: deque[float] = deque()

    def fits(self, now: float) -> bool:
        """Whether one more request is inside the contract. `now` may not go backwards."""
        edge = now - self._contract.per_seconds
        while self._arrivals and self._arrivals[0] <= edge:
            self._arrivals.popleft()
        return len(self._arrivals) < self._contract.most

    def count(self, now: float) -> None:
        """Let a request use the window. Refused ones push the oldest out, since no more than `most` can matter."""
        if len(self._arrivals) == self._contract.most:
            self._arrivals.popleft()
        self._arrivals.append(now)

    def quota(self, now: float) -> Quota:
        """How the window stands, `fits` having been asked at the same `now`."""
        reset = self._arrivals[0] + self._contract.per_seconds - now if self._arrivals else 0.0
        return Quota(self._contract, self._contract.most - len(self._arrivals), reset)


class RateLimit:
    """All windows of one vendor: several contracts, each for all clients together or for each alone."""

    def __init__(self, contracts: tuple[Contract, ...]) -> None:
        self._contracts = contracts
        self._windows: dict[tuple[int, str], SlidingWindow] = {}

    def admit(self, now: float, *, address: str, token: str) -> tuple[bool, list[Quota]]:
        """Whether all windows admit a request, and how each stands afterwards; one that refuses comes first."""
        if not self._contracts:
            return True, []
        windows = [self._window(place, address, token) for place in range(len(self._contracts))]
        fitting = [window.fits(now) for window in windows]
        admitted = all(fitting)
        for window, contract in zip(windows, self._contracts, strict=True):
            if admitted or contract.count_refused:
                window.count(now)
        quotas = [window.quota(now) for window in windows]
        if admitted:
            return True, quotas
        refusing = sorted(zip(fitting, quotas, strict=True), key=lambda pair: (pair[0], -pair[1].reset_seconds))
        return False, [quota for _, quota in refusing]

    def _window(self, place: int, address: str, token: str) -> SlidingWindow:
        contract = self._contracts[place]
        client = {"vendor": "", "address": address, "token": token}[contract.scope]
        window = self._windows.get((place, client))
        if window is None:
            if len(self._windows) >= _CLIENTS_MAX:
                del self._windows[next(iter(self._windows))]
            window = self._windows[place, client] = SlidingWindow(contract)
        return window


def retry_after(form: RetryAfterForm, *, seconds: float, wall: float) -> bytes:
    """The Retry-After header line in the wished form, or nothing. `wall` is the epoch time."""
    match form:
        case "seconds":
            return b"Retry-After: %d\r\n" % max(0, math.ceil(seconds))
        case "date":
            return f"Retry-After: {formatdate(math.ceil(wall + seconds), usegmt=True)}\r\n".encode()
        case "garbage":
            return b"Retry-After: soon, please\r\n"
        case "very_long":
            return b"Retry-After: %d\r\n" % VERY_LONG_SECONDS
        case "none":
            return b""


def quota_headers(quota: Quota, *, refused: bool, wall: float) -> bytes:
    """The header lines that tell how a window stands, in the contract's dialect."""
    field = quota.contract.reset_field
    own = _reset_line(field, quota.reset_seconds, wall) if field and (refused or field.on == "all") else b""
    return _quota_lines(quota, wall) + own


def _reset_line(field: ResetField, seconds: float, wall: float) -> bytes:
    """The vendor's own header, rounded up, so that a client that obeys it is not too early."""
    at = wall + seconds
    value: int | str
    match field.form:
        case "seconds":
            value = math.ceil(seconds)
        case "milliseconds":
            value = math.ceil(seconds * 1000)
        case "epoch":
            value = math.ceil(at)
        case "epoch_milliseconds":
            value = math.ceil(at * 1000)
        case "date":
            value = formatdate(math.ceil(at), usegmt=True)
        case "rfc3339":
            value = datetime.fromtimestamp(math.ceil(at), UTC).isoformat()
    return f"{field.header}: {value}\r\n".encode()


def _quota_lines(quota: Quota, wall: float) -> bytes:
    contract, left, reset = quota.contract, max(0, quota.remaining), math.ceil(quota.reset_seconds)
    match contract.headers:
        case "none":
            return b""
        case "x-ratelimit":
            lines = b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n"
            return lines % (contract.requests, left, math.ceil(wall + quota.reset_seconds))
        case "ratelimit":
            lines = b"RateLimit-Limit: %d\r\nRateLimit-Remaining: %d\r\nRateLimit-Reset: %d\r\n"
            return lines % (contract.requests, left, reset)
        case "ratelimit-structured":
            lines = b'RateLimit-Policy: "default";q=%d;w=%d\r\nRateLimit: "default";r=%d;t=%d\r\n'
            return lines % (contract.requests, math.ceil(contract.per_seconds), left, reset)
