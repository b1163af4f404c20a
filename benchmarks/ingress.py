"""Requests a second that are verified, durable and answered: webhooks and jobs, beside a bare handler that only
produces to the same Kafka."""

import asyncio
import base64
import hmac
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import Bench, Rows
from benchmarks.raw_http import Round, row_of, send_all
from benchmarks.system import System, system
from infra.local import services, stack
from infra.local.beginning import PROJECT
from infra.local.ports import free_port

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
CONNECTIONS = 64
WEBHOOKS = 12_000
ROUNDS = 3
BODY = json.dumps({"action": "changed", "order": {"id": 4711, "name": "x" * 300}}).encode()
Target = tuple[str, int, str, Callable[[str, str], bytes]]
WAITS = {"vendor": "waits", "base_url": "https://waits.example", "budget": {"windows": [{"requests": 1, "per": "1d"}]}}
"""Its jobs are taken and planned; the contract keeps their calls back, which are not what is measured."""
PEER = Path(__file__).parent / "peers" / "bare_ingress.py"


async def measure(bench: Bench) -> Rows:
    """All in turns, from the same connections; the median round counts."""
    os.environ["ACME_HOOK"] = SECRET
    count = WEBHOOKS // 4 if bench.quick else WEBHOOKS
    async with system(bench) as measured:
        gateway = int(services.gateway_url(bench.root).rsplit(":", 1)[1])
        verify = {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK"]}
        await measured.client.put("hooks", "bench", {"hook": "bench", "verify": verify})
        plain = {"scheme": "hmac", "header": "X-Mac", "secrets": ["env:ACME_HOOK"]}
        await measured.client.put("hooks", "bench-plain", {"hook": "bench-plain", "verify": plain})
        await measured.client.put("vendors", "waits", WAITS)
        bare = await _start_bare(measured, bench.root)
        targets: list[Target] = [
            ("sluice", gateway, "/in/bench", _webhook),
            ("sluice", gateway, "/in/bench-plain", _webhook),
            ("sluice", gateway, "/jobs", _job),
            ("bare", bare, "/", _webhook),
        ]
        rounds: list[list[Round]] = [[] for _ in targets]
        for number in range(bench.times(ROUNDS) + 1):
            for place, (_, port, path, made) in enumerate(targets):
                requests = [made(path, f"msg-{os.getpid()}-{number}-{each}") for each in range(count)]
                found = await send_all(port, requests, CONNECTIONS, _is_taken)
                rounds[place] += [found] if number else []
                await measured.settle()
    return [
        {"system": name, "path": path, **row_of(found, CONNECTIONS)}
        for (name, _, path, _), found in zip(targets, rounds, strict=True)
    ]


async def _start_bare(measured: System, root: Path) -> int:
    port = free_port()
    kafka = stack.addresses(root).kafka
    argv = [sys.executable, str(PEER), kafka, "sluice.notifications", str(port)]
    measured.processes.start("bare", argv, {**os.environ, "PYTHONPATH": str(PROJECT)})
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


def _is_taken(head: bytes, body: bytes) -> bool:
    return head.startswith(b"HTTP/1.1 202")


def _webhook(path: str, sender_id: str) -> bytes:
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


def _job(path: str, label: str) -> bytes:
    body = json.dumps({"vendor": "waits", "poll": {"request": {"path": f"/{label}"}}}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
