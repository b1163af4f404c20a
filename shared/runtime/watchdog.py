"""Ends a process that lives but no longer works, so that a supervisor can start it again.

aiokafka can lose its place in a group and never rejoin, a task of FastStream can die, the event loop can be blocked
for ever. None of these raises anything; only missing progress shows them.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from shared.observability.logs import get_logger
from shared.observability.metrics import LAG, LOOP_LAG
from shared.runtime.clock import monotonic
from shared.runtime.health import Heartbeat

EXIT_CODE = 70
BLOCKED_SECONDS = 90.0
STUCK_SECONDS = 60.0
IDLE_WITH_LAG_SECONDS = 120.0
_BEAT_SECONDS = 0.5
_CHECK_SECONDS = 5.0

log = get_logger(__name__)

States = Callable[[], Sequence[dict[str, Any]]]


class Watchdog:
    """Watches the event loop from a thread, and the consumers from the loop."""

    def __init__(self, heartbeat: Heartbeat, states: States) -> None:
        self._heartbeat = heartbeat
        self._states = states
        self._since: dict[str, float] = {}
        self._batches: dict[str, int] = {}
        self._over = threading.Event()
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()

    async def run(self) -> None:
        """Beat, and look at the consumers now and then."""
        next_check = monotonic() + _CHECK_SECONDS
        while True:
            before = monotonic()
            await asyncio.sleep(_BEAT_SECONDS)
            self._heartbeat.beat()
            LOOP_LAG.set(max(0.0, monotonic() - before - _BEAT_SECONDS))
            if monotonic() >= next_check:
                next_check = monotonic() + _CHECK_SECONDS
                self._check()

    def stop(self) -> None:
        """The process is ending by itself."""
        self._over.set()

    def _check(self) -> None:
        for state in self._states():
            LAG.labels(group=state["group"], topic=state["topic"]).set(state["lag"])
            broken = not (state["polling"] and state["coordinating"])
            self._time(f"{state['group']} does not poll", broken, STUCK_SECONDS)
            moved = self._batches.get(state["group"]) != state["batches"]
            self._batches[state["group"]] = state["batches"]
            idle = state["lag"] > 0 and not moved and not state["waiting"] and not state["circuit_open"]
            self._time(f"{state['group']} makes no progress", idle, IDLE_WITH_LAG_SECONDS)

    def _time(self, what: str, wrong: bool, limit_seconds: float) -> None:
        if not wrong:
            self._since.pop(what, None)
            return
        since = self._since.setdefault(what, monotonic())
        if monotonic() - since > limit_seconds:
            self._end(what)

    def _watch_loop(self) -> None:
        while not self._over.wait(_CHECK_SECONDS):
            if self._heartbeat.age_seconds > BLOCKED_SECONDS:
                self._end("the event loop is blocked")

    def _end(self, why: str) -> None:
        log.error("watchdog.ends_process", why=why)
        faulthandler.dump_traceback(sys.stderr)
        sys.stderr.flush()
        os._exit(EXIT_CODE)
