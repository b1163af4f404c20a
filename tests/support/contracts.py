"""A contract between Sluice and a vendor that the simulator plays: Sluice keeps it, and the simulator enforces it."""

from dataclasses import dataclass
from typing import Any

from tests.support.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Contract:
    """At most `per_second` calls in any second, `calls` in any `seconds`, and `in_flight` open at once.

    `calls` in `seconds` is the slower rate, at which Sluice spaces the calls. So a second has room for calls that the
    simulator reads late on a busy machine. Neither count leaves room for a higher rate that lasts.
    """

    per_second: int
    calls: int
    seconds: int
    in_flight: int

    @property
    def budget(self) -> dict[str, Any]:
        """As Sluice is configured."""
        windows = [{"requests": most, "per": f"{seconds}s", "burst": 1} for most, seconds in self._windows]
        return {"windows": windows, "in_flight": self.in_flight}

    @property
    def limits(self) -> dict[str, Any]:
        """As the simulator is configured: it answers 429 to each call beyond the contract."""
        windows = [{"requests": most, "per_seconds": seconds} for most, seconds in self._windows]
        return {"contract": windows, "in_flight_max": self.in_flight}

    @property
    def _windows(self) -> tuple[tuple[int, int], ...]:
        return (self.per_second, 1), (self.calls, self.seconds)

    async def assert_kept(self, running: Cluster, vendor: str) -> None:
        """By the vendor's own count, no call was beyond the contract, and none was refused because of it."""
        truth = await running.truth(vendor, window_seconds=self.seconds)
        assert truth["requests"] > 0
        assert truth["highest_in_any_second"]["all"] <= self.per_second, truth
        assert truth["window"]["all"] <= self.calls, truth
        assert truth["highest_in_flight"] <= self.in_flight, truth
        assert set(truth["refused_by_address"].values()) == {0}, truth
