"""Ends a process that lives but no longer works, so that a supervisor can start it again.

aiokafka can lose its place in a group and never rejoin, a task of FastStream can die, the event loop can be blocked
for ever. None of these raises anything; only missing progress shows them.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from shared.observability.logs import get_logger
from shared.observability.metrics import CUT_OFF, LAG, LOOP_LAG, UNREADABLE
from shared.runtime.clock import monotonic
from shared.runtime.health import Heartbeat

EXIT_CODE = 70
BLOCKED_SECONDS = 90.0
STUCK_SECONDS = 60.0
REJOIN_SECONDS = 90.0
"""Longer than `STUCK_SECONDS`: a rebalance lasts up to 60 s where a peer's batch is slow."""

IDLE_WITH_LAG_SECONDS = 120.0
_BEAT_SECONDS = 0.5
_CHECK_SECONDS = 5.0

log = get_logger(__name__)

States = Callable[[], Sequence[dict[str, Any]]]


def end_process(why: str) -> None:
    """At once, with the stacks of all threads on stderr: whatever hangs must not hinder it."""
    log.error("watchdog.ends_process", why=why)
    faulthandler.dump_traceback(sys.stderr)
    sys.stderr.flush()
    os._exit(EXIT_CODE)


class Watchdog:
    """Watches the event loop from a thread, and the consumers from the loop. `end` gets the reason and ends the
    process."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        states: States,
        *,
        end: Callable[[str], None] = end_process,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._heartbeat = heartbeat
        self._states = states
        self._end = end
        self._clock = clock
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
                self.check()

    def stop(self) -> None:
        """The process is ending by itself."""
        self._over.set()

    def check(self) -> None:
        """One look at all consumers: show how they are, and end the process for what has been wrong for too long."""
        states = self._states()
        self._show(states)
        for number, state in enumerate(states):
            name = f"{state['group']} {number}"
            if state["contested"]:
                self._end(f"{name}: another process has this replica's name, and they throw each other out")
            broken = not (state["polling"] and state["coordinating"])
            self._time(f"{name} does not poll", broken, STUCK_SECONDS)
            self._time(f"{name} does not come back into its group", state["rejoining"], REJOIN_SECONDS)
            moved = self._batches.get(name) != state["batches"]
            self._batches[name] = state["batches"]
            excused = any(state[name] for name in ("waiting", "circuit_open", "failing", "unreadable", "denied"))
            idle = state["lag"] > 0 and not moved and not excused
            self._time(f"{name} makes no progress", idle, IDLE_WITH_LAG_SECONDS)

    def _show(self, states: Sequence[dict[str, Any]]) -> None:
        lag, unreadable, cut_off = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
        for state in states:
            lag[state["group"], state["topic"]] += state["lag"]
            unreadable[state["group"]] += len(state["unreadable"])
            cut_off[state["group"]] += not state["connected"] or bool(state["denied"])
        for (group, topic), records in lag.items():
            LAG.labels(group=group, topic=topic).set(records)
        for group, partitions in unreadable.items():
            UNREADABLE.labels(group=group).set(partitions)
            CUT_OFF.labels(group=group).set(cut_off[group])

    def _time(self, what: str, wrong: bool, limit_seconds: float) -> None:
        if not wrong:
            self._since.pop(what, None)
            return
        since = self._since.setdefault(what, self._clock())
        if self._clock() - since > limit_seconds:
            self._end(what)

    def _watch_loop(self) -> None:
        while not self._over.wait(_CHECK_SECONDS):
            if self._heartbeat.age_seconds > BLOCKED_SECONDS:
                self._end("the event loop is blocked")
