"""The lanes of a process, whose calls are made as a test wants them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes.calls import Make
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from shared.ids import new_id
from shared.runtime.app import Runtime
from shared.runtime.service import open_runtime
from tests.integration.fetcher.calls import wanted
from tests.support.stack import Place


@asynccontextmanager
async def at_work(
    place: Place, payloads: Path, make: Make, **more: Any
) -> AsyncIterator[tuple[Runtime[Settings], Lanes]]:
    """Lanes whose calls are made like this, with everything that tells of them."""
    runtime: Runtime[Settings] = open_runtime("fetcher", place.settings(Settings, payloads, **more))
    await runtime.database.open()
    await runtime.producer.open()
    fetcher_id = new_id()
    settlement = Settlement(runtime.database, runtime.producer, fetcher_id)
    lanes = Lanes(runtime, settlement, fetcher_id, make)
    parts = (lanes, settlement.writing, settlement.sending)
    running = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield runtime, lanes
    finally:
        for part in parts:
            part.stop()
        await asyncio.gather(*running)
        await runtime.producer.close()
        await runtime.database.close()


async def ask(runtime: Runtime[Settings], lanes: Lanes, *vendors: str) -> None:
    """A call for each of these."""
    async with runtime.database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id(), vendor=vendor) for vendor in vendors])
    lanes.wake()
