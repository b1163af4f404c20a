"""Forgets old attempts; fetchers that are gone, since each start of a process is another one; and hosts that jobs named
and that are not called any more. Permits keep the contracts; the log of attempts is only their proof."""

from datetime import timedelta

from services.fetcher.expire import store
from services.fetcher.settings import Settings
from shared.runtime.app import Runtime

_BLOCK = 2000
_PAUSE_SECONDS = 60.0
_GONE = timedelta(days=1)


class Expire:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._database = runtime.database
        self._age = timedelta(days=runtime.settings.fetcher_keep_days)

    async def step(self) -> float:
        """Delete one block; gives the seconds until the next."""
        async with self._database.transaction() as tx:
            deleted = await store.delete_attempts(tx, self._age, _BLOCK)
            await store.delete_fetchers(tx, _GONE)
            await store.delete_budgets(tx, _GONE)
        return 0.5 if deleted == _BLOCK else _PAUSE_SECONDS
