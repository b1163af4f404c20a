"""Webhooks a second: Sluice against a bare handler that only checks an HMAC and produces to the same Kafka."""

import asyncio
import base64
import hmac
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.system import System, system
from infra.local import services, stack

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
CONNECTIONS = 64
WEBHOOKS = 12_000
ROUNDS = 3
BODY = json.dumps({"action": "changed", "order": {"id": 4711, "name": "x" * 300}}).encode()
PEER = Path(__file__).parent / "peers" / "bare_ingress.py"


async def ingress() -> list[dict[str, Any]]:
    """Both in turns, from the same connections; the median round counts."""
    os.environ["ACME_HOOK"] = SECRET
    async with system() as measured:
        place = services.gateway_url(measured.root).rsplit(":", 1)[1]
        verify = {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK"]}
        plain = {"scheme": "hmac", "header": "X-Mac", "secrets": ["env:ACME_HOOK"]}
        await measured.client.put("hooks", "bench", {"hook": "bench", "verify": verify})
        await measured.client.put("hooks", "bench-plain", {"hook": "bench-plain", "verify": plain})
        port = await _start_bare(measured)
        targets = {
            "sluice, each once by its id": (int(place), "/in/bench"),
            "sluice, without ids": (int(place), "/in/bench-plain"),
            "bare": (port, "/"),
        }
        rounds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in targets}
        for number in range(ROUNDS + 1):
            for name, (at, path) in targets.items():
                found = await _send_all(at, path, f"{number}-{os.getpid()}")
                rounds[name] += [found] if number else []
    return [_row(name, sorted(found)[len(found) // 2]) for name, found in rounds.items()]


def _row(name: str, found: tuple[float, float, float]) -> dict[str, Any]:
    rate, median, worst = found
    return {
        "system": name,
        "webhooks_per_second": round(rate),
        "p50_ms": round(median * 1000, 1),
        "p99_ms": round(worst * 1000, 1),
        "connections": CONNECTIONS,
        "runs": ROUNDS,
    }


async def _start_bare(measured: System) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kafka = stack.addresses(measured.root).kafka
    argv = [sys.executable, str(PEER), kafka, "sluice.notifications", str(port)]
    measured.processes.start("bare", argv, {**os.environ, "PYTHONPATH": str(services.PROJECT)})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return port
    raise RuntimeError("the bare handler did not start")


async def _send_all(port: int, path: str, label: str) -> tuple[float, float, float]:
    """Webhooks a second, median and 99th percentile of seconds."""
    requests = iter([_request(path, f"msg-{label}-{number}") for number in range(WEBHOOKS)])
    took: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_send(port, requests, took) for _ in range(CONNECTIONS)))
    rate = WEBHOOKS / (time.perf_counter() - began)
    took.sort()
    return rate, took[len(took) // 2], took[int(len(took) * 0.99)]


async def _send(port: int, requests: Any, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(head.decode())
    writer.close()


def _request(path: str, sender_id: str) -> bytes:
    stamp = str(int(time.time()))  # noqa: TID251 - a sender's clock
    content = f"{sender_id}.{stamp}.".encode() + BODY
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    mac = hmac.digest(SECRET.encode(), BODY, "sha256").hex()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        f"webhook-id: {sender_id}\r\nwebhook-timestamp: {stamp}\r\nwebhook-signature: v1,{signature}\r\n"
        f"X-Mac: {mac}\r\n\r\n"
    )
    return head.encode() + BODY
