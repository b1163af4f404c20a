"""Requests a second of the vendor simulator for small pages. It is one process with one thread, so it uses one core; a
simulator that is slower than what calls it would be what the other measurements measure."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.bench import Bench, Rows
from benchmarks.raw_http import Round, row_of, send_all

CONNECTIONS = 32
REQUESTS = 30_000
ROUNDS = 3
PAGE = 10
RECORDS = 100_000
START_SECONDS = 20.0
PATH = "/acme/items"


async def measure(bench: Bench) -> Rows:
    """Pages of ten records, one after the other on each connection; the median round counts."""
    count = REQUESTS // 10 if bench.quick else REQUESTS
    async with _simulator() as port:
        await _round(port, count // 10)
        rounds = [await _round(port, count) for _ in range(bench.times(ROUNDS))]
    return [{"path": PATH, "records_per_page": PAGE, **row_of(rounds, CONNECTIONS)}]


@contextlib.asynccontextmanager
async def _simulator() -> AsyncIterator[int]:
    """A simulator of its own, with one vendor; gives its port."""
    with tempfile.TemporaryDirectory() as folder:
        config, port_file = Path(folder, "config.json"), Path(folder, "port")
        config.write_text(f'{{"vendors": {{"acme": {{"records": {RECORDS}}}}}}}')
        argv = [sys.executable, "-m", "infra.simulator", "--config", str(config), "--port-file", str(port_file)]
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not port_file.exists():
                    await asyncio.sleep(0.05)
            yield int(port_file.read_text())
        finally:
            process.terminate()
            await process.wait()


async def _round(port: int, count: int) -> Round:
    """So many pages, each from another offset than the one before."""
    offsets = range(0, count * PAGE, PAGE)
    return await send_all(port, map(_request, offsets), CONNECTIONS, _is_page)


def _request(offset: int) -> bytes:
    target = f"{PATH}?offset={offset % RECORDS}&limit={PAGE}"
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _is_page(head: bytes, body: bytes) -> bool:
    return head.startswith(b"HTTP/1.1 200") and body.count(b'"id"') == PAGE
