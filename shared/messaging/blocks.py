"""How loops send what is due from a table: a block is claimed, sent, marked and committed in one transaction."""

from collections.abc import Sequence
from typing import TypeVar

from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.messaging.resting import Resting
from shared.messaging.sent import Sent

BLOCK_BYTES = 16 * 1024**2
"""So much of messages a loop claims at once."""
_SEND_SECONDS = 5.0

T = TypeVar("T")


class Blocks:
    """Sends the blocks of one loop. A partition that does not answer holds back no other, nor each block anew."""

    def __init__(self, producer: Producer, *, within_seconds: float = _SEND_SECONDS) -> None:
        """`within_seconds` bounds the transaction that holds a block while a partition is away."""
        self._producer = producer
        self._within_seconds = within_seconds
        self._resting = Resting()

    async def send(self, pairs: Sequence[tuple[T, Outgoing]]) -> Sent[T]:
        """Produce messages, each with what it is sent for.

        Raises:
            Unavailable: the producer is closed.
        """
        return await self._producer.send_each(pairs, within_seconds=self._within_seconds, resting=self._resting)
