"""Which fault befalls a request. Pure: the same seed, vendor, target and repetition give the same fate.

The fate hangs on how often this very target was asked before, not on the order in which different targets arrive,
so a run is repeatable under any concurrency and a retry draws anew.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from hashlib import blake2b

from infra.simulator.config import Fault, VendorConfig


@dataclass(frozen=True, slots=True)
class Fate:
    """What was drawn for one request: a fault or none, the status of an `error`, and the delay in seconds."""

    fault: Fault | None = None
    status: int = 200
    delay_seconds: float = 0.0


_NO_FATE = Fate()


class FatePlan:
    """The fates of all requests of one vendor, fixed by its settings and seed."""

    def __init__(self, config: VendorConfig, *, seed: int, vendor: str) -> None:
        self._key = f"{seed}\0{vendor}\0".encode()
        self._faults = [fault for fault, share in config.shares if share > 0]
        self._bounds: list[float] = []
        for _, share in config.shares:
            if share > 0:
                self._bounds.append(share + (self._bounds[-1] if self._bounds else 0.0))
        self._statuses = config.error_status
        self._least_delay, self._most_delay = config.delay_seconds
        self._failing = [(re.compile(path.match), path) for path in config.fail_paths]
        self._calm = not self._faults and self._most_delay == 0

    def draw(self, target: str, repetition: int) -> Fate:
        """The fate of the request that is number `repetition` (from 0) for `target`."""
        for pattern, path in self._failing:
            if (path.times is None or repetition < path.times) and pattern.search(target):
                return Fate(path.fault, path.status)
        if self._calm:
            return _NO_FATE
        digest = blake2b(self._key + f"{target}\0{repetition}".encode(), digest_size=24).digest()
        chosen = bisect_right(self._bounds, unit(digest[:8]))
        delay = self._least_delay + (self._most_delay - self._least_delay) * unit(digest[8:16])
        if chosen == len(self._faults):
            return Fate(delay_seconds=delay)
        status = self._statuses[int(unit(digest[16:]) * len(self._statuses))]
        return Fate(self._faults[chosen], status, delay)


def unit(eight_bytes: bytes) -> float:
    """A number in [0, 1) from eight random bytes: 53 bits, since that is what a float holds without rounding up to 1."""
    return (int.from_bytes(eight_bytes, "big") >> 11) * 2.0**-53
