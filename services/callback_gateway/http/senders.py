"""The rules by which vendors call back, at hand for the edge."""

import re

from services.callback_gateway.configure import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.latest import read_latest
from shared.runtime.clock import monotonic
from shared.secrets import Recent
from shared.specification.vendor import Callbacks, Vendor
from shared.specification.verification import Verification

_FRESH_SECONDS = 1.0
_NAME = re.compile(r"[a-z0-9.-]{1,63}")


class Senders:
    """Looked up once a second for each vendor, and remembered for as long as the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Callbacks]] = {}
        self._secrets = Recent(monotonic)

    async def rules_of(self, vendor: str) -> Callbacks | None:
        """The rules of a vendor, or nothing if nobody has configured it.

        Raises:
            Unavailable: the database is away, and the vendor has not called before; or its rules cannot be read.
        """
        if not _NAME.fullmatch(vendor):
            return None
        read_at, rules = self._known.get(vendor, (0.0, None))
        if rules is not None and monotonic() - read_at < _FRESH_SECONDS:
            return rules
        try:
            async with self._database.transaction() as tx:
                text = await store.find_text(tx, "vendors", vendor)
        except Unavailable:
            if rules is None:
                raise
            return rules
        if text is None:
            self._known.pop(vendor, None)
            return None
        read = read_latest(Vendor, vendor, text)
        if read is None:
            raise Unavailable(f"the configuration of the vendor {vendor} cannot be read")
        self._known[vendor] = (monotonic(), read.callbacks)
        return read.callbacks

    def secrets_of(self, vendor: str, verify: Verification) -> list[str]:
        """The secrets that are in force; during a rotation one of two may be missing.

        Raises:
            Unavailable: none is there. That is our fault: the sender is asked to come again.
        """
        found = self._secrets.resolve(verify.secrets)
        if not found:
            raise Unavailable(f"no secret of the vendor {vendor} can be found")
        return found
