"""Sends dead letters again when their turns come. After a crash between the broker's acknowledgement and the commit a
letter is sent twice, as the same event and delivery; its consumer drops the second one.

A letter that the broker did not acknowledge in time gives its turn up, so that the letters after it have theirs. It
gets a new turn behind the other letters of its order. So do letters whose turns passed while nothing was sent: an
outage does not change the rate of an order."""

from services.callback_gateway.metrics import LETTERS_REDRIVEN
from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.decide import Letter, Unsendable, message_of
from services.callback_gateway.settings import Settings
from shared.messaging.blocks import BLOCK_BYTES, Blocks
from shared.messaging.handler import Outgoing
from shared.observability.logs import get_logger
from shared.runtime.app import Runtime

_BLOCK = 100
_PAUSE_SECONDS = 0.5
_LATE_SECONDS = 10.0

log = get_logger(__name__)


class Redrive:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._blocks = Blocks(runtime.producer)

    async def step(self) -> float:
        """Send one block of letters; returns the seconds until the next step."""
        wanted: list[tuple[Letter, Outgoing]] = []
        unsendable: list[tuple[Letter, Unsendable]] = []
        async with self._runtime.database.transaction() as tx:
            letters = await store.claim_due(tx, _BLOCK, BLOCK_BYTES, late_seconds=_LATE_SECONDS)
            for letter in letters:
                message = message_of(letter, self._runtime.settings.topic_prefix)
                if isinstance(message, Unsendable):
                    unsendable.append((letter, message))
                else:
                    wanted.append((letter, message))
            sent = await self._blocks.send([((letter, message), message) for letter, message in wanted])
            await store.close_redriven(tx, [letter for letter, _ in sent.acknowledged])
            await store.reopen_letters(tx, [(letter.id, why.reason) for letter, why in unsendable])
            late = await store.find_late(tx, _LATE_SECONDS)
        if late or sent.missed:
            async with self._runtime.database.transaction() as tx:
                missed = [letter.id for letter, _ in sent.missed]
                await store.give_new_turns(tx, [*missed, *late], _LATE_SECONDS)
        for letter, message in sent.acknowledged:
            LETTERS_REDRIVEN.labels(topic=message.topic).inc()
            log.info("dead_letter.redriven", letter_id=str(letter.id), event_id=str(letter.event.event_id))
        for letter, why in unsendable:
            log.warning("dead_letter.unsendable", letter_id=str(letter.id), reason=why.reason)
        sent.raise_if_none("dead letters")
        return 0.0 if letters else _PAUSE_SECONDS
