"""The rules by which vendors call back, at hand for the context."""

import asyncio
import re
from collections.abc import Callable

from services.callback_gateway.configure import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.latest import read_latest
from shared.runtime.clock import monotonic
from shared.specification.vendor import Callbacks, Vendor

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0
_AWAY_SECONDS = 5.0
"""After a look-up that failed, known rules are used for so long without another look-up: senders wait a few seconds."""
_MOST_ABSENT = 10_000
_NAME = re.compile(r"[a-z0-9.-]{1,63}")


class CallbackRules:
    """The rules of each vendor are looked up once a second, and stay in use for as long as the database is away. That
    there is no vendor of a name is remembered for that second, too: strangers may ask for it a thousand times."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = monotonic, *, most_absent: int = _MOST_ABSENT
    ) -> None:
        self._database = database
        self._clock = clock
        self._most_absent = most_absent
        self._known: dict[str, tuple[float, Callbacks]] = {}
        self._absent: dict[str, float] = {}
        self._away_until = 0.0

    async def rules_of(self, vendor: str) -> Callbacks | None:
        """The rules of a vendor, or nothing if it is not configured.

        Raises:
            Unavailable: the database is away, and the vendor has not called before; or its rules cannot be read.
        """
        if not _NAME.fullmatch(vendor):
            return None
        read_at, rules = self._known.get(vendor, (0.0, None))
        fresh_since = self._clock() - _FRESH_SECONDS
        if rules is not None and (read_at > fresh_since or self._clock() < self._away_until):
            return rules
        if self._absent.get(vendor, fresh_since) > fresh_since:
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.transaction() as tx:
                text = await store.find_text(tx, "vendors", vendor)
        except (Unavailable, TimeoutError) as error:
            self._away_until = self._clock() + _AWAY_SECONDS
            if rules is None:
                why = str(error) or "Postgres did not answer in time"
                raise Unavailable(f"the vendor {vendor} cannot be looked up: {why}") from None
            return rules
        if text is None:
            self._known.pop(vendor, None)
            self._note_absent(vendor)
            return None
        read = read_latest(Vendor, vendor, text)
        if read is None:
            raise Unavailable(f"the configuration of the vendor {vendor} cannot be read")
        self._known[vendor] = (self._clock(), read.callbacks)
        return read.callbacks

    def _note_absent(self, vendor: str) -> None:
        """The latest stand last; beyond the most that are remembered the oldest are forgotten."""
        self._absent.pop(vendor, None)
        self._absent[vendor] = self._clock()
        if len(self._absent) > self._most_absent:
            del self._absent[next(iter(self._absent))]
