"""The keys in force, in memory: at most a second old, unless the database is away."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from services.callback_gateway.keys import store
from services.callback_gateway.keys.key import Key, id_in, is_same
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.runtime.clock import monotonic, utc_now

_FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0
_AWAY_SECONDS = 5.0
"""After a reading that failed, known keys are used for so long without another: every request waits for a reading."""
_USE_IS_NEWS = timedelta(minutes=1)


class Keyring:
    """Finds keys. A database that is away leaves them as they were."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, Key] | None = None
        self._fresh_until = 0.0
        self._refreshing = asyncio.Lock()

    async def find(self, text: str) -> Key | None:
        """The key that is this text, if it is in force.

        Raises:
            Unavailable: no keys have been read yet, and the database is away.
        """
        keys = await self._current()
        key = keys.get(id_in(text) or "")
        if key is None or not is_same(text, key):
            return None
        await self._remember(key)
        return key

    async def _current(self) -> dict[str, Key]:
        async with self._refreshing:
            if self._keys is None or monotonic() >= self._fresh_until:
                self._keys = await self._read()
            return self._keys

    async def _read(self) -> dict[str, Key]:
        """By the reserved connection: where all others are busy, a revoked key must not stay in force."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.transaction(reserved=True) as tx:
                keys = await store.find_keys(tx)
        except (Unavailable, TimeoutError) as error:
            if self._keys is None:
                why = str(error) or "Postgres did not answer in time"
                raise Unavailable(f"the keys cannot be read: {why}") from None
            self._fresh_until = monotonic() + _AWAY_SECONDS
            return self._keys
        self._fresh_until = monotonic() + _FRESH_SECONDS
        return keys

    async def _remember(self, key: Key) -> None:
        """When a key was used, to about a minute: once a minute it costs a statement."""
        now = utc_now()
        if key.used_at is not None and now - key.used_at < _USE_IS_NEWS:
            return
        if self._keys is not None:
            self._keys[key.id] = replace(key, used_at=now)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.transaction() as tx:
                await store.touch_key(tx, key.id, now)
        except (Unavailable, TimeoutError):
            return
