"""The time of day that decisions go by: it is the database's.

Each process asks for it now and then and carries it on by a clock that never jumps and goes on while the machine is
suspended. So all of them agree on what is due and on how long a vendor rests, and a machine whose own clock is wrong,
or is put right, does nothing early or late.
"""

import time
from datetime import UTC, datetime

from shared.database.pool import Database
from shared.database.queries import load_queries

SQL = load_queries(__file__)

MICROSECONDS = 1_000_000
_READINGS_KEPT = 32
_FEW_READINGS = 4
"""The fewer, the sooner a database that puts its own clock back is followed."""
_READ_AGAIN_SECONDS = 10.0
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_BOOTTIME is Linux's. Elsewhere CLOCK_MONOTONIC takes its place; on macOS it goes on during sleep, too."""


def monotonic() -> float:
    """Seconds on a clock that never jumps, and stands still while the machine is suspended, as the event loop's does;
    only differences mean anything."""
    return time.monotonic()


def _since_boot() -> float:
    """Seconds on a clock that never jumps, and goes on while the machine is suspended."""
    return time.clock_gettime(_BOOT_CLOCK)


class DatabaseClock:
    """How far the clock since boot is from the database's. The smallest of many readings is the truest: only the
    way back from the database makes one larger."""

    def __init__(self, kept: int = _READINGS_KEPT) -> None:
        self._kept = kept
        self._readings: list[float] = []

    @property
    def is_set(self) -> bool:
        """Whether the database was asked already."""
        return bool(self._readings)

    def read(self, now_us: int) -> None:
        """The database said that it was `now_us` when the statement ran."""
        self._readings = [*self._readings[1 - self._kept :], _since_boot() - now_us / MICROSECONDS]

    def seconds_until(self, moment_us: int) -> float:
        """How far off a moment is; negative when it is over."""
        return moment_us / MICROSECONDS + min(self._readings) - _since_boot()

    def now(self) -> int:
        """The database's time, in microseconds."""
        return round((_since_boot() - min(self._readings)) * MICROSECONDS)


_clock = DatabaseClock(_FEW_READINGS)


def utc_now() -> datetime:
    """Now, in UTC; by the machine's own clock only until the database was asked."""
    return datetime.fromtimestamp(_clock.now() / MICROSECONDS, UTC) if _clock.is_set else datetime.now(UTC)


async def ask_database(database: Database) -> float:
    """Set this process's clock; gives the seconds until it is worth doing again.

    Raises:
        Unavailable: the database does not answer.
    """
    async with database.transaction() as tx:
        _clock.read(await tx.fetchval(SQL["now"]))
    return _READ_AGAIN_SECONDS
