"""Keeps webhooks, many in one transaction.

A batch claims the ids that senders gave, then its messages are made durable, then the claims are committed. A crash
or a fault before the commit leaves no claim behind, so that a webhook which was not acknowledged is taken when it is
sent again; should its message be in the broker already, it comes there twice under the same id, and consumers drop
the second. Another gateway with the same id waits for the outcome, for the length of one acknowledgement.

Without a database webhooks still come in: consumers know repetitions by their ids. After a claim that failed none is
tried for a while, so that senders do not wait for a database that does not answer. How much waits here is bounded by
how much all requests may hold (`http/body_budget.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.callback_gateway.spool.outbound import Outbound
from services.callback_gateway.webhooks import store
from services.callback_gateway.webhooks.decide import Receipt, Webhook, sort_out
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic
from shared.runtime.gathering import Gathering

_WRITERS = 2
_MOST = 500
_CLAIM_SECONDS = 3.0
_AWAY_SECONDS = 2.0

log = get_logger(__name__)


class Intake:
    """The one way in for webhooks."""

    def __init__(self, database: Database, outbound: Outbound) -> None:
        self._database = database
        self._outbound = outbound
        self._away_until = 0.0
        self._gathering = Gathering(self._keep, writers=_WRITERS, most=_MOST)

    async def take(self, webhook: Webhook) -> Receipt:
        """Return when the webhook is durable, or was before.

        Raises:
            Unavailable: it cannot be kept now.
        """
        return await self._gathering.put(webhook)

    async def _keep(self, batch: Sequence[Webhook]) -> list[Receipt]:
        fingerprints = {
            webhook.id: webhook.fingerprint for webhook in reversed(batch) if webhook.fingerprint is not None
        }
        if not fingerprints or monotonic() < self._away_until:
            return await self._send(batch, {})
        claimed, sent = False, list[Receipt]()
        try:
            async with asyncio.timeout(_CLAIM_SECONDS) as deadline, self._database.transaction() as tx:
                known = await store.claim_webhooks(tx, fingerprints)
                claimed = True
                deadline.reschedule(None)
                sent = await self._send(batch, known)
                deadline.reschedule(asyncio.get_running_loop().time() + _CLAIM_SECONDS)
        except (Unavailable, TimeoutError) as error:
            if claimed and not sent:
                raise
            self._away_until = monotonic() + _AWAY_SECONDS
            log.warning("webhooks.not_claimed", count=len(fingerprints), error=str(error))
        return sent or await self._send(batch, {})

    async def _send(self, batch: Sequence[Webhook], known: Mapping[UUID, bytes]) -> list[Receipt]:
        outcomes = sort_out(batch, known)
        pairs = zip(batch, outcomes, strict=True)
        await self._outbound.send([webhook.message for webhook, outcome in pairs if outcome is Receipt.ACCEPTED])
        return outcomes
