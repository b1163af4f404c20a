"""Requests on bare connections: what is measured is the server, and as little as possible its client."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.percentile import percentile

IsGood = Callable[[bytes, bytes], bool]
"""Whether an answer, its head and its body, is the one that is expected."""


class Round(NamedTuple):
    """Requests a second, and how long they took."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


async def send_all(port: int, requests: Iterable[bytes], connections: int, is_good: IsGood) -> Round:
    """Send the requests, one after the other on each connection.

    Raises:
        RuntimeError: an answer is not the one that is expected.
    """
    left = iter(requests)
    took: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_send(port, left, is_good, took) for _ in range(connections)))
    rate = len(took) / (time.perf_counter() - began)
    return Round(rate, percentile(took, 50) * 1000, percentile(took, 99) * 1000)


def row_of(rounds: Sequence[Round], connections: int) -> dict[str, Any]:
    """The figures of the median round."""
    rate, p50_ms, p99_ms = sorted(rounds)[len(rounds) // 2]
    return {
        "requests_per_second": round(rate),
        "p50_ms": round(p50_ms, 1),
        "p99_ms": round(p99_ms, 1),
        "connections": connections,
        "runs": len(rounds),
    }


async def _send(port: int, requests: Iterator[bytes], is_good: IsGood, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        took.append(time.perf_counter() - began)
        if not is_good(head, body):
            raise RuntimeError((head + body).decode())
    writer.close()
