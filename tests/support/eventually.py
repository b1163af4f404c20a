"""Wait for a condition. The only place in the tests that sleeps: everything else waits for what it needs to see."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

SHORTEST_SECONDS, LONGEST_SECONDS = 0.02, 0.15
"""Between two looks: what takes long is asked about less often, for questions cost the machine that is waited for."""
PATIENCE = 3.0
"""Deadlines are written for a machine that does nothing else; a crowded one gets this many times as long."""

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within_seconds: float = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T], within_seconds: float = ...) -> T: ...
async def eventually(condition: Callable[[], object], within_seconds: float = 30.0) -> object:
    """Return the condition's first truthy value; an exception counts as not yet."""
    deadline, pause = time.monotonic() + within_seconds * PATIENCE, SHORTEST_SECONDS
    while True:
        try:
            outcome = condition()
            value = await outcome if inspect.isawaitable(outcome) else outcome
            last = value
            if value:
                return value
        except Exception as error:  # noqa: BLE001 - whatever is wrong now may be right in a moment
            last = error
        if time.monotonic() > deadline:
            raise _failure(condition, within_seconds, last)
        await asyncio.sleep(pause)
        pause = min(1.3 * pause, LONGEST_SECONDS)


def wait_until(condition: Callable[[], T], within_seconds: float = 30.0) -> T:
    """Return the condition's first truthy value, without an event loop; an exception counts as not yet."""
    deadline, pause = time.monotonic() + within_seconds * PATIENCE, SHORTEST_SECONDS
    while True:
        try:
            value = condition()
            last: object = value
            if value:
                return value
        except Exception as error:  # noqa: BLE001 - whatever is wrong now may be right in a moment
            last = error
        if time.monotonic() > deadline:
            raise _failure(condition, within_seconds, last)
        time.sleep(pause)
        pause = min(1.3 * pause, LONGEST_SECONDS)


def _failure(condition: Callable[[], object], within_seconds: float, last: object) -> AssertionError:
    name = getattr(condition, "__qualname__", repr(condition))
    error = AssertionError(f"{name} did not hold within {within_seconds * PATIENCE:g} s; the last outcome was {last!r}")
    error.__cause__ = last if isinstance(last, Exception) else None
    return error
