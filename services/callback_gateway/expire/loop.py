"""Forgets idempotency keys and senders' ids of webhooks a week after their first use, longer than senders repeat,
and jobs that are over, callbacks and dead letters when they have been kept for long enough: what belongs to a job that
is open or still shown stays with it."""

import asyncio
from datetime import timedelta

from services.callback_gateway.expire import store
from services.callback_gateway.settings import Settings
from shared.events.topic import WEEK
from shared.runtime.app import Runtime

_BLOCK = 1000
_MOST_JOBS = 200
_MOST_WEBHOOKS = 5000
_PAUSE_SECONDS = 60.0


class Expire:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._database = runtime.database
        self._payloads = runtime.payloads
        self._age = timedelta(days=runtime.settings.gateway_keep_days)

    async def step(self) -> float:
        """Delete one block of each; gives the seconds until the next."""
        async with self._database.transaction() as tx:
            deleted = [
                await store.delete_keys(tx, WEEK, _BLOCK),
                await store.delete_callbacks(tx, self._age, _BLOCK),
                await store.delete_expectations(tx, self._age, _BLOCK),
                await store.delete_tasks(tx, self._age, _BLOCK),
                await store.delete_events(tx, self._age, _BLOCK),
                await store.delete_letters(tx, self._age, _BLOCK),
            ]
            webhooks = await store.delete_webhooks(tx, WEEK, _MOST_WEBHOOKS)
        jobs = await self._delete_jobs()
        return 0.5 if _BLOCK in deleted or jobs or webhooks == _MOST_WEBHOOKS else _PAUSE_SECONDS

    async def _delete_jobs(self) -> int:
        """With whatever a request left in the payload store: answers may be there that were never reported, or that
        another one followed."""
        async with self._database.transaction() as tx:
            jobs = await store.delete_jobs(tx, self._age, _MOST_JOBS)
            requests = [job["id"] for job in jobs if job["kind"] == "request"]
            await asyncio.gather(*(self._payloads.delete_all_of(job_id) for job_id in requests))
        return len(jobs)
