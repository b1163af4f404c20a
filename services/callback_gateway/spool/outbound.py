"""Produces what the edge has accepted; when the broker does not answer, the spool keeps it."""

from collections.abc import Sequence

from services.callback_gateway.metrics import SPOOLED
from services.callback_gateway.spool import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger

log = get_logger(__name__)


class Outbound:
    """The way out of the edge: durable, or an error."""

    def __init__(self, producer: Producer, database: Database, produce_seconds: float) -> None:
        self._producer = producer
        self._database = database
        self._produce_seconds = produce_seconds

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Make messages durable, in the broker or in the spool.

        Raises:
            Unavailable: neither can keep them.
        """
        try:
            await self._producer.send(messages, within_seconds=self._produce_seconds)
        except Unavailable as error:
            async with self._database.transaction() as tx:
                await store.insert_messages(tx, messages)
            SPOOLED.inc(len(messages))
            log.warning("messages.spooled", count=len(messages), error=str(error))
