"""The time of day that decisions go by: it is the database's.

Each process asks for it now and then and carries it on by a clock that never jumps and goes on while the machine is
suspended. So all of them agree on what is due and on how long a vendor rests, and a machine whose own clock is wrong,
or is put right, does nothing early or late.
"""

import time
from datetime import UTC, datetime
from math import inf

from shared.database.pool import Database
from shared.database.queries import load_queries

SQL = load_queries(__file__)

MICROSECONDS = 1_000_000
_READ_AGAIN_SECONDS = 10.0
_SPAN_SECONDS = 20.0
"""The shorter, the sooner a database that puts its own clock back is followed; the longer, the surer one reading of a
busy machine was not late."""
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
    """How far the clock since boot is from the database's. The least of the readings of the last 20 to 40 seconds is
    the truest: only the way back from the database makes one larger."""

    def __init__(self) -> None:
        self._span_began = 0.0
        self._least = self._least_before = inf

    @property
    def is_set(self) -> bool:
        """Whether the database was asked already."""
        return self._least < inf

    def read(self, now_us: int) -> None:
        """The database said that it was `now_us` when the statement ran."""
        boot = _since_boot()
        spans = (boot - self._span_began) // _SPAN_SECONDS
        if spans:
            self._least_before = self._least if spans < 2 else inf
            self._least, self._span_began = inf, boot
        self._least = min(self._least, boot - now_us / MICROSECONDS)

    def seconds_until(self, moment_us: int) -> float:
        """How far off a moment is; negative when it is over."""
        return moment_us / MICROSECONDS + self._behind_seconds - _since_boot()

    def now(self) -> int:
        """The database's time, in microseconds."""
        return round((_since_boot() - self._behind_seconds) * MICROSECONDS)

    @property
    def _behind_seconds(self) -> float:
        return min(self._least, self._least_before)


DATABASE_CLOCK = DatabaseClock()
"""The one of this process: whatever asks the database for its time makes it truer."""


def utc_now() -> datetime:
    """Now, in UTC; by the machine's own clock only until the database was asked."""
    is_set = DATABASE_CLOCK.is_set
    return datetime.fromtimestamp(DATABASE_CLOCK.now() / MICROSECONDS, UTC) if is_set else datetime.now(UTC)


async def ask_database(database: Database) -> float:
    """Set this process's clock; gives the seconds until it is worth doing again.

    Raises:
        Unavailable: the database does not answer.
    """
    async with database.transaction() as tx:
        DATABASE_CLOCK.read(await tx.fetchval(SQL["now"]))
    return _READ_AGAIN_SECONDS
