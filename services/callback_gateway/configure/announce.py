"""A change of the configuration over HTTP → its topic, then this gateway's own copy.

The topic decides the order of changes, so the gateway's consumer alone writes the copy, and the change waits for it:
two writers would show an older word again while the consumer catches up. Where the consumer does not come to it in
time, or the broker is away, the copy is written at once all the same, for whoever reads what he has just written.
"""

import asyncio
from collections.abc import Awaitable, Callable

from services.callback_gateway.configure import store
from services.callback_gateway.configure.store import Table
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database, Transaction
from shared.events.envelope import CE_ID
from shared.messaging.handler import Outgoing
from shared.runtime.clock import monotonic

_LOOK_SECONDS = 0.01

Apply = Callable[[Transaction], Awaitable[None]]


class Announcement:
    """Tells changes, and sees them applied."""

    def __init__(self, database: Database, outbound: Outbound, within_seconds: float) -> None:
        self._seconds = within_seconds
        self._database = database
        self._outbound = outbound

    async def tell(self, table: Table, message: Outgoing, apply: Apply) -> None:
        """Make a change durable, and wait until it is in force here.

        Raises:
            Unavailable: neither broker nor spool can keep it.
        """
        taken = await self._outbound.send([message], in_order=True)
        event_id = dict(message.headers)[CE_ID].decode()
        if not (taken and await self._is_applied(table, event_id)):
            await self._apply(table, event_id, apply)

    async def _is_applied(self, table: Table, event_id: str) -> bool:
        until = monotonic() + self._seconds
        while monotonic() < until:
            async with self._database.transaction() as tx:
                if await store.has_handled(tx, f"configure-{table}", event_id):
                    return True
            await asyncio.sleep(_LOOK_SECONDS)
        return False

    async def _apply(self, table: Table, event_id: str, apply: Apply) -> None:
        """The consumer may come to it just now, and to what was said after it, which is not to be undone: once the row
        is locked either it has been there, or it will overwrite this."""
        async with self._database.transaction() as tx:
            change = tx.transaction()
            await change.start()
            await apply(tx)
            if await store.has_handled(tx, f"configure-{table}", event_id):
                await change.rollback()
            else:
                await change.commit()
