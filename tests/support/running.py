"""Runs a service inside the test, with everything but its process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.runtime.app import App, Runtime
from shared.runtime.service import Process, open_runtime
from tests.support.stack import Place


@asynccontextmanager
async def running(
    name: str, kind: Any, build: Callable[[Runtime[Any]], App], place: Place, payloads: Path, **more: Any
) -> AsyncIterator[Runtime[Any]]:
    """A service from its start to its bounded stop."""
    runtime: Runtime[Any] = open_runtime(name, place.settings(kind, payloads, **more))
    await runtime.database.open()
    await runtime.producer.open()
    stopping = asyncio.Event()
    task = asyncio.create_task(Process(name, runtime, build(runtime)).run(stopping))
    try:
        yield runtime
    finally:
        stopping.set()
        await task
        await runtime.producer.close()
        await runtime.database.close()
