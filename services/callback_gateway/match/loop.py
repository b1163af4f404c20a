"""Callbacks that nobody has waited for become dead letters. A crash between the broker's acknowledgement and the commit
sends one twice, under the same id."""

from datetime import timedelta
from uuid import UUID

from services.callback_gateway.match import store
from services.callback_gateway.metrics import CALLBACKS
from services.callback_gateway.resting import RestingKeys
from services.callback_gateway.settings import Settings
from shared.events.catalogue import DEAD
from shared.events.dead_letters import DeadLetter
from shared.ids import derived_id
from shared.messaging.blocks import BLOCK_BYTES, Blocks
from shared.messaging.handler import Outgoing, outgoing
from shared.runtime.app import Runtime

_BLOCK = 200
_PAUSE_SECONDS = 5.0
_REST_SECONDS = 10.0


class Unmatched:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._blocks = Blocks(runtime.producer)
        self._resting: RestingKeys[UUID] = RestingKeys(_REST_SECONDS)

    async def step(self) -> float:
        """Give up one block; gives the seconds until the next."""
        older_than = timedelta(seconds=self._runtime.settings.gateway_park_seconds)
        async with self._runtime.database.transaction() as tx:
            claimed = await store.claim_unmatched(tx, older_than, self._resting.resting(), _BLOCK, BLOCK_BYTES)
            letters = [((key, vendor), _dead(key, letter)) for key, vendor, letter in claimed]
            sent = await self._blocks.send(letters)
            await store.close_unmatched(tx, [key for key, _ in sent.acknowledged])
        self._resting.rest(key for key, _ in sent.missed)
        for _, vendor in sent.acknowledged:
            CALLBACKS.labels(vendor=vendor, verdict="unknown").inc()
        sent.raise_if_none("dead letters")
        return 0.0 if claimed else _PAUSE_SECONDS


def _dead(callback_id: UUID, letter: DeadLetter) -> Outgoing:
    """One that was redriven and is for nobody again is another letter."""
    return outgoing(
        DEAD["callback-gateway"], callback_id, letter, id=derived_id("unmatched", callback_id, letter.delivery)
    )
