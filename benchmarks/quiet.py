"""Waiting until processes have nothing left to do.

What a system still does after its work is done would otherwise be charged to the system that is measured next.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

INTERVAL_SECONDS = 0.5
QUIET_SHARE = 0.25
"""Part of one core that all of them together may use and count as quiet; idle services poll and beat."""
DEADLINE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


def can_tell() -> bool:
    """Whether this machine shows what processes have used; without /proc nothing is waited for."""
    return Path("/proc/self/stat").exists()


async def wait_quiet(pids: Sequence[int]) -> bool:
    """Wait until two intervals in a row were quiet; returns whether they were before the deadline."""
    if not can_tell():
        return False
    deadline = time.monotonic() + DEADLINE_SECONDS
    quiet, used = 0, _cpu_seconds(pids)
    while quiet < 2 and time.monotonic() < deadline:
        await asyncio.sleep(INTERVAL_SECONDS)
        now = _cpu_seconds(pids)
        quiet = quiet + 1 if (now - used) / INTERVAL_SECONDS < QUIET_SHARE else 0
        used = now
    return quiet == 2


def _cpu_seconds(pids: Sequence[int]) -> float:
    return sum(_ticks(pid) for pid in pids) / _TICKS


def _ticks(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return 0
    # Behind the command's name, which may hold blanks: user time and system time are the 12th and 13th field.
    user, kernel = text.rpartition(")")[2].split()[11:13]
    return int(user) + int(kernel)
