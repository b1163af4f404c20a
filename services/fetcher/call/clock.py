"""The database's clock as this process knows it."""

from services.fetcher.permits.decide import SECOND
from shared.runtime.clock import monotonic

_READINGS_KEPT = 32


class DatabaseClock:
    """How far the monotonic clock is from the database's. Of many readings the smallest is the truest: what makes
    one larger is only the way back from the database."""

    def __init__(self) -> None:
        self._readings: list[float] = []

    def read(self, now_us: int) -> None:
        """The database said that it was `now_us` when the statement ran."""
        self._readings = [*self._readings[1 - _READINGS_KEPT :], monotonic() - now_us / SECOND]

    def at(self, moment_us: int) -> float:
        """A moment on the monotonic clock."""
        return moment_us / SECOND + min(self._readings)

    def now(self) -> int:
        """The database's time, in microseconds."""
        return round((monotonic() - min(self._readings)) * SECOND)
