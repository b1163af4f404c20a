"""Requests a second of the vendor simulator for small pages. It is one process with one thread, so it uses one core; a
simulator that is slower than what calls it would be what the other measurements measure."""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.bench import Bench, Rows

CONNECTIONS = 32
REQUESTS = 30_000
ROUNDS = 3
PAGE = 10
RECORDS = 100_000
START_SECONDS = 20.0


async def measure(bench: Bench) -> Rows:
    """Pages of ten records, one after the other on each connection; the median round counts."""
    count = REQUESTS // 10 if bench.quick else REQUESTS
    async with _simulator() as port:
        await _round(port, count // 10)
        rounds = sorted([await _round(port, count) for _ in range(bench.times(ROUNDS))])
    rate, median, worst = rounds[len(rounds) // 2]
    return [
        {
            "path": "/acme/items",
            "records_per_page": PAGE,
            "requests_per_second": round(rate),
            "p50_ms": round(median * 1000, 1),
            "p99_ms": round(worst * 1000, 1),
            "connections": CONNECTIONS,
            "runs": len(rounds),
        }
    ]


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


async def _round(port: int, count: int) -> tuple[float, float, float]:
    """Requests a second, median and 99th percentile of seconds."""
    offsets = iter(range(0, count * PAGE, PAGE))
    took: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_ask(port, offsets, took) for _ in range(CONNECTIONS)))
    rate = count / (time.perf_counter() - began)
    took.sort()
    return rate, took[len(took) // 2], took[int(len(took) * 0.99)]


async def _ask(port: int, offsets: Iterator[int], took: list[float]) -> None:
    """Request page after page on one connection, until the round's pages are requested."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for offset in offsets:
        began = time.perf_counter()
        target = f"/acme/items?offset={offset % RECORDS}&limit={PAGE}"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        took.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200") or body.count(b'"id"') != PAGE:
            raise RuntimeError((head + body).decode())
    writer.close()
    await writer.wait_closed()
