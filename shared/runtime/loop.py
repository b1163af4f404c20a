"""Work that is driven by time or by being woken: one `step` after the other, with back-off on faults."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.observability.metrics import LOOP_FAULTS
from shared.runtime.clock import monotonic

Step = Callable[[], Awaitable[float]]
"""Does one round of work; gives the seconds until the next, 0 for at once."""

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 5.0

log = get_logger(__name__)


class Loop:
    """A worker that calls `step` until it is stopped, sleeping between rounds unless it is woken."""

    def __init__(self, name: str, step: Step) -> None:
        self.name = name
        self._step = step
        self._woken = asyncio.Event()
        self._stopping = False
        self._failing_since: float | None = None
        self.fault = ""
        """What the last round failed with; empty when it did not."""

    def wake(self) -> None:
        """Run the next round now."""
        self._woken.set()

    def stop(self) -> None:
        """End after the round in hand."""
        self._stopping = True
        self._woken.set()

    @property
    def failing_seconds(self) -> float:
        """For how long every round has failed; 0 when the last one did not."""
        return 0.0 if self._failing_since is None else monotonic() - self._failing_since

    async def run(self) -> None:
        """Until stopped. Its `except` is broad: whatever a round raises is counted, logged and tried again, because a
        loop that ends silently is the worst fault of all."""
        backoff = _FIRST_BACKOFF_SECONDS
        while not self._stopping:
            self._woken.clear()
            try:
                pause = await self._step()
            except Exception as error:
                self._failing_since = self._failing_since or monotonic()
                self.fault = f"{error}" if isinstance(error, Unavailable) else type(error).__name__
                self._tell(error)
                pause, backoff = random.uniform(backoff / 2, backoff), min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
                await self._wait(pause, wakes=False)
                continue
            self._failing_since, self.fault, backoff = None, "", _FIRST_BACKOFF_SECONDS
            await self._wait(pause, wakes=True)

    def _tell(self, error: Exception) -> None:
        kind = "unavailable" if isinstance(error, Unavailable) else "defect"
        LOOP_FAULTS.labels(loop=self.name, kind=kind).inc()
        if kind == "defect":
            log.error("loop.failed", loop=self.name, exc_info=error)
        else:
            log.warning("loop.waiting", loop=self.name, error=str(error))

    async def _wait(self, seconds: float, *, wakes: bool) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        if not wakes and not self._stopping:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
