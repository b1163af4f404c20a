"""Deletes the bodies of vendors' answers when their time is over. The payloads go first, then what points to them: a
crash in between deletes once more what is gone."""

from datetime import timedelta

from services.callback_gateway.expire import store
from services.callback_gateway.settings import Settings
from shared.runtime.app import Runtime

_BLOCK = 500
_PAUSE_SECONDS = 60.0


class ExpireAnswers:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._kept = timedelta(seconds=runtime.settings.gateway_answer_seconds)

    async def step(self) -> float:
        """Delete one block; gives the seconds until the next."""
        async with self._runtime.database.transaction() as tx:
            rows = await store.claim_answers(tx, self._kept, _BLOCK)
            if rows:
                await self._runtime.payloads.delete([row["uri"] for row in rows])
                await store.forget_answers(tx, [row["id"] for row in rows])
        return 0.5 if len(rows) == _BLOCK else _PAUSE_SECONDS
