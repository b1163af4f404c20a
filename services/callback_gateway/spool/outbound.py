"""Produces what the edge has accepted; when the broker does not answer, the spool keeps it.

While the spool holds messages, what is newer under their topics and keys goes through it, too. The drainer looks at the
spool every second, so each gateway learns what another has put there; an empty spool costs no look."""

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
        self._spool_is_empty = False
        self.writes = 0
        """Changes before and after each write to the spool."""

    def note_spool(self, *, is_empty: bool, writes: int) -> None:
        """The spool is empty, or not, by a look that began when there had been so many `writes`."""
        self._spool_is_empty = is_empty and writes == self.writes

    async def send(self, messages: Sequence[Outgoing], *, in_order: bool = False) -> bool:
        """Make messages durable, in the broker or in the spool; tells whether the broker has them. They do not overtake
        what the spool is known to hold under the same keys. `in_order`: look at the spool in any case, also for what
        another gateway put there a moment ago; an older word would come last for good.

        Raises:
            Unavailable: neither can keep them, or the spool cannot be looked at `in_order`.
        """
        if (in_order or not self._spool_is_empty) and await self._kept_behind(messages, in_order=in_order):
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

    async def _kept_behind(self, messages: Sequence[Outgoing], *, in_order: bool) -> bool:
        """A spool that cannot be looked at is no reason to refuse what the broker can take."""
        try:
            return await self._keep(messages, only_behind=True)
        except Unavailable:
            if in_order:
                raise
            return False

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
                self._note_write()
                await store.insert_messages(tx, messages)
        except TimeoutError:
            raise Unavailable("Postgres: the spool did not answer in time") from None
        self._note_write()
        SPOOLED.inc(len(messages))
        return True

    def _note_write(self) -> None:
        self.writes += 1
        self._spool_is_empty = False
