"""Tables that were found locked or slow a moment ago. Kept in memory only: another process finds them once more."""

from collections.abc import Callable, Iterable

from services.processor.metrics import TABLES_BUSY
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic

LOOK_AGAIN_SECONDS = 20.0

log = get_logger(__name__)


class BusyTables:
    """They are not waited for again before `LOOK_AGAIN_SECONDS` have passed since the last table was found busy: so a
    batch for any number of them waits for each of them once."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._tables: set[str] = set()
        self._look_again_at = 0.0

    def add(self, table: str) -> None:
        """Note that a table is busy."""
        log.warning("table.busy", table=table)
        self._tables.add(table)
        self._look_again_at = self._clock() + LOOK_AGAIN_SECONDS
        TABLES_BUSY.set(len(self._tables))

    def has_any(self, tables: Iterable[str]) -> bool:
        """Whether one of these tables was found busy, and it is not yet time to look again."""
        if self._tables and self._clock() >= self._look_again_at:
            self._tables.clear()
            TABLES_BUSY.set(0)
        return not self._tables.isdisjoint(tables)
