"""Who follows which job, and what is the latest event of each: one query for all, however many follow."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from services.callback_gateway.http import store
from shared.database.pool import Database

LOOK_SECONDS = 1.0


class Followed:
    """One job that somebody follows."""

    def __init__(self) -> None:
        self.followers = 0
        self._latest = 0
        self._news = asyncio.Event()

    @property
    def latest(self) -> int:
        """The number of the latest event that was heard of."""
        return self._latest

    def tell(self, latest: int) -> None:
        """The number of its latest event; wakes everyone who has not seen it."""
        if latest > self._latest:
            self._latest = latest
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def beyond(self, seen: int, *, within_seconds: float) -> bool:
        """Wait for an event after the one that was seen; tells whether there is one."""
        try:
            async with asyncio.timeout(within_seconds):
                while self._latest <= seen:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True


class Following:
    """All jobs that are followed through this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: dict[UUID, Followed] = {}

    @contextmanager
    def follow(self, job_id: UUID) -> Iterator[Followed]:
        """Follow a job for the length of the block."""
        followed = self._jobs.setdefault(job_id, Followed())
        followed.followers += 1
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                del self._jobs[job_id]

    async def look(self) -> float:
        """Look for new events once; gives the seconds until the next time, which finds what other replicas wrote."""
        if self._jobs:
            async with self._database.transaction() as tx:
                latest = await store.find_latest(tx, list(self._jobs))
            for job_id, sequence in latest.items():
                if job_id in self._jobs:
                    self._jobs[job_id].tell(sequence)
        return LOOK_SECONDS
