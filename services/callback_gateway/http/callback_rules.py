"""The rules by which vendors call back, at hand for the context."""

import re
from collections.abc import Callable

from services.callback_gateway.configure import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.latest import read_latest
from shared.runtime.clock import monotonic
from shared.specification.vendor import Callbacks, Vendor

_FRESH_SECONDS = 1.0
_MOST_ABSENT = 10_000
_NAME = re.compile(r"[a-z0-9.-]{1,63}")


class CallbackRules:
    """Looked up once a second for each vendor, and remembered for as long as the database is away. That nobody has a
    name is remembered for that second, too: strangers may ask for it a thousand times."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = monotonic, *, most_absent: int = _MOST_ABSENT
    ) -> None:
        self._database = database
        self._clock = clock
        self._most_absent = most_absent
        self._known: dict[str, tuple[float, Callbacks]] = {}
        self._absent: dict[str, float] = {}

    async def rules_of(self, vendor: str) -> Callbacks | None:
        """The rules of a vendor, or nothing if nobody has configured it.

        Raises:
            Unavailable: the database is away, and the vendor has not called before; or its rules cannot be read.
        """
        if not _NAME.fullmatch(vendor):
            return None
        read_at, rules = self._known.get(vendor, (0.0, None))
        fresh_since = self._clock() - _FRESH_SECONDS
        if rules is not None and read_at > fresh_since:
            return rules
        if self._absent.get(vendor, fresh_since) > fresh_since:
            return None
        try:
            async with self._database.transaction() as tx:
                text = await store.find_text(tx, "vendors", vendor)
        except Unavailable:
            if rules is None:
                raise
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
