"""A service that is told to stop ends soon, whatever hangs."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from infra.local.ports import free_port
from tests.cluster import PROJECT, SERVICES
from tests.eventually import eventually
from tests.stack import Place


async def test_a_connection_that_says_nothing_at_the_port_of_health_hinders_neither_health_nor_the_end(
    topics: Place, payloads: Path
) -> None:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **topics.environment(payloads)}
    environment |= {"SLUICE_HEALTH_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", SERVICES["scheduler"]], env=environment, cwd=PROJECT)
    try:
        connection = await eventually(lambda: socket.create_connection(("127.0.0.1", port)))
        with connection:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:

                async def ready() -> bool:
                    return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200

                await eventually(ready, 60)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.wait()
