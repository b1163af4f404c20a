"""Produces what the edge has accepted; when the broker does not answer, the spool keeps it."""

import asyncio
from collections.abc import Sequence

from services.callback_gateway.metrics import SPOOLED
from services.callback_gateway.resting import RestingKeys
from services.callback_gateway.spool import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger

_AWAY_SECONDS = 2.0

log = get_logger(__name__)


class Outbound:
    """The way out of the edge: durable, or an error."""

    def __init__(self, producer: Producer, database: Database, produce_seconds: float) -> None:
        self._producer = producer
        self._database = database
        self._produce_seconds = produce_seconds
        self._away: RestingKeys[str] = RestingKeys(_AWAY_SECONDS)

    async def send(self, messages: Sequence[Outgoing], *, in_order: bool = False) -> bool:
        """Make messages durable, in the broker or in the spool; tells whether the broker has them. `in_order`: never
        before what the spool still holds under the same keys, so that an older word does not come last.

        Raises:
            Unavailable: neither can keep them.
        """
        if in_order and await self._keep(messages, only_behind=True):
            return False
        topics = {message.topic for message in messages}
        if not topics.isdisjoint(self._away.resting()) and await self._kept_meanwhile(messages):
            return False
        try:
            await self._producer.send(messages, within_seconds=self._produce_seconds)
        except Unavailable as error:
            self._away.rest(topics)
            await self._keep(messages)
            log.warning("messages.spooled", count=len(messages), error=str(error))
            return False
        return True

    async def _kept_meanwhile(self, messages: Sequence[Outgoing]) -> bool:
        """A topic that did not answer a moment ago is not asked by every request: each would wait in vain."""
        try:
            return await self._keep(messages)
        except Unavailable:
            return False

    async def _keep(self, messages: Sequence[Outgoing], *, only_behind: bool = False) -> bool:
        try:
            async with asyncio.timeout(self._produce_seconds), self._database.transaction() as tx:
                if only_behind and not await store.has_messages(tx, messages):
                    return False
                await store.insert_messages(tx, messages)
        except TimeoutError:
            raise Unavailable("Postgres: the spool did not answer in time") from None
        SPOOLED.inc(len(messages))
        return True
