"""Sends dead letters again as their turns come. A crash between the broker's acknowledgement and the commit sends one
twice, as the same event and delivery, which its consumer drops. What was not acknowledged in time is postponed, so that
those behind it have their turn."""

from services.callback_gateway.metrics import LETTERS_REDRIVEN
from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.decide import Letter, Unsendable, message_of
from services.callback_gateway.settings import Settings
from shared.messaging.handler import Outgoing
from shared.messaging.resting import Resting
from shared.observability.logs import get_logger
from shared.runtime.app import Runtime

_BLOCK = 100
_BLOCK_BYTES = 16 * 1024**2
_PAUSE_SECONDS = 0.5
_SEND_SECONDS = 5.0
"""Bounds the transaction that holds a block while a partition is away."""
_POSTPONE_SECONDS = 10.0

log = get_logger(__name__)


class Redrive:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._resting = Resting()

    async def step(self) -> float:
        """Send one block; gives the seconds until the next."""
        wanted: list[tuple[Letter, Outgoing]] = []
        unsendable: list[tuple[Letter, Unsendable]] = []
        async with self._runtime.database.transaction() as tx:
            letters = await store.claim_due(tx, _BLOCK, _BLOCK_BYTES)
            for letter in letters:
                message = message_of(letter, self._runtime.settings.topic_prefix)
                if isinstance(message, Unsendable):
                    unsendable.append((letter, message))
                else:
                    wanted.append((letter, message))
            pairs = [((letter, message), message) for letter, message in wanted]
            sent = await self._runtime.producer.send_each(pairs, within_seconds=_SEND_SECONDS, resting=self._resting)
            await store.close_redriven(tx, [letter.id for letter, _ in sent.acknowledged])
            await store.postpone_letters(tx, [letter.id for letter, _ in sent.missed], _POSTPONE_SECONDS)
            await store.reopen_letters(tx, [(letter.id, why.reason) for letter, why in unsendable])
        for letter, message in sent.acknowledged:
            LETTERS_REDRIVEN.labels(topic=message.topic).inc()
            log.info("dead_letter.redriven", letter_id=str(letter.id), event_id=str(letter.event.event_id))
        for letter, why in unsendable:
            log.warning("dead_letter.unsendable", letter_id=str(letter.id), reason=why.reason)
        sent.raise_if_none("dead letters")
        return 0.0 if letters else _PAUSE_SECONDS
