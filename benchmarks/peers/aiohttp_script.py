"""The script that a good engineer writes in an afternoon: one process, aiohttp in a bare loop, batched upserts.

No plan that outlives the process, no contract, no retry, no dead letters: the price of those is what is measured.
"""

import asyncio
import json
import sys
import time

import aiohttp
import asyncpg
import orjson

PAGE = 100
FETCHERS = 16
PAGES_PER_UPSERT = 20

CREATE = """
DROP TABLE IF EXISTS script_items;
CREATE TABLE script_items (key text PRIMARY KEY, record jsonb NOT NULL)
"""
UPSERT = """
INSERT INTO script_items (key, record) SELECT * FROM unnest($1::text[], $2::text[]::jsonb[])
ON CONFLICT (key) DO UPDATE SET record = excluded.record
"""


async def main(base_url: str, database_url: str) -> None:
    """Copy all items."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(CREATE)
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        count = await copy(session, connection, base_url)
        seconds = time.perf_counter() - began
    assert await connection.fetchval("SELECT count(*) FROM script_items") == count
    await connection.close()
    print(json.dumps({"records": count, "seconds": seconds}))


async def copy(session: aiohttp.ClientSession, connection: "asyncpg.Connection[asyncpg.Record]", base_url: str) -> int:
    """Fetch with several workers, upsert with one."""
    pages: asyncio.Queue[bytes | None] = asyncio.Queue(64)

    async def fetch(offset: int) -> bytes:
        async with session.get(f"{base_url}/items?offset={offset}&limit={PAGE}") as answer:
            answer.raise_for_status()
            return await answer.read()

    first = await fetch(0)
    offsets = iter(range(PAGE, orjson.loads(first)["meta"]["total"], PAGE))
    await pages.put(first)

    async def work() -> None:
        for offset in offsets:
            await pages.put(await fetch(offset))

    async def fetch_all() -> None:
        await asyncio.gather(*(work() for _ in range(FETCHERS)))
        await pages.put(None)

    _, count = await asyncio.gather(fetch_all(), store(pages, connection))
    return count


async def store(pages: "asyncio.Queue[bytes | None]", connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Upsert pages in batches until there are no more."""
    count, over = 0, False
    while not over:
        body = await pages.get()
        batch: list[dict[str, object]] = []
        taken = 0
        while body is not None:
            batch += orjson.loads(body)["items"]
            taken += 1
            if taken == PAGES_PER_UPSERT or pages.empty():
                break
            body = await pages.get()
        over = body is None
        if batch:
            await connection.execute(
                UPSERT, [str(item["id"]) for item in batch], [orjson.dumps(item).decode() for item in batch]
            )
            count += len(batch)
    return count


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
