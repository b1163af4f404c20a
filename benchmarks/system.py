"""The running system under measurement: the stack, five services, a second fetcher where wanted, the simulator."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from infra.local import services, stack
from infra.local.processes import Processes
from shared.client.client import ApiError, SluiceClient
from shared.client.models import Job

ROOT = services.PROJECT / ".sluice" / "bench"
READY_SECONDS = 60.0
POLL = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 100, "total": "body.meta.total"},
    "records": {"select": "body.items[]", "key": "id"},
}


class System:
    """What the measurements do to it."""

    def __init__(self, client: SluiceClient, simulator: str, database: str, processes: Processes) -> None:
        self.client = client
        self.simulator = simulator
        self.database = database
        self.processes = processes
        self.root = ROOT
        self._http = httpx.AsyncClient(base_url=simulator, trust_env=False, timeout=60)
        self._tables = 0

    async def play(self, vendor: str, *, budget: dict[str, Any], **config: Any) -> None:
        """Make the simulator play a vendor, and configure it."""
        (await self._http.put(f"/_control/vendors/{vendor}", json=config)).raise_for_status()
        (await self._http.post(f"/_control/vendors/{vendor}/reset")).raise_for_status()
        document = {
            "vendor": vendor,
            "base_url": f"{self.simulator}/{vendor}",
            "network": {"private_addresses": "allow"},
            "budget": budget,
        }
        await self.client.put("vendors", vendor, document)

    async def truth(self, vendor: str) -> dict[str, Any]:
        """What the vendor saw."""
        found: dict[str, Any] = (await self._http.get(f"/_truth/{vendor}")).json()
        return found

    async def run(self, vendor: str, poll: dict[str, Any] = POLL) -> tuple[float, Job]:
        """One job into a table of its own; gives the seconds from the request to the job's end."""
        self._tables += 1
        sinks = [{"type": "postgres", "table": f"bench_{os.getpid()}_{self._tables}"}]
        began = time.perf_counter()
        reference = await self.client.submit({"vendor": vendor, "poll": poll, "sinks": sinks})
        job = await self.client.wait(reference.id)
        return time.perf_counter() - began, job

    def resident_megabytes(self) -> dict[str, float]:
        """Memory of each service."""
        return {name: round(self.processes.resident_bytes(name) / 2**20, 1) for name in services.SERVICES}

    async def close(self) -> None:
        """Drop what was written."""
        await self._http.aclose()


@asynccontextmanager
async def system(fetchers: int = 1) -> AsyncIterator[System]:
    """Start everything, warm it up, and stop the services at the end."""
    addresses = await asyncio.to_thread(stack.start, ROOT)
    provision = services.step_environment(ROOT, addresses)
    subprocess.run([sys.executable, "-m", "services.provision"], env=provision, check=True, stdout=subprocess.DEVNULL)
    environment = services.environment(ROOT, addresses)
    simulator = services.simulator_url(ROOT)
    with Processes(ROOT) as processes:
        port = simulator.rsplit(":", 1)[1]
        processes.start("simulator", [sys.executable, "-m", "infra.simulator", "--port", port], environment)
        for name, module in services.SERVICES.items():
            processes.start(name, [sys.executable, "-m", module], {**environment, "SLUICE_REPLICA": "1"})
        for number in range(2, fetchers + 1):
            more = {**environment, "SLUICE_REPLICA": str(number)}
            processes.start(f"fetcher-{number}", [sys.executable, "-m", services.SERVICES["fetcher"]], more)
        database = addresses.postgres.rsplit("/", 1)[0] + f"/{services.DATABASE}"
        async with SluiceClient(services.gateway_url(ROOT)) as client:
            await _wait_ready(client)
            measured = System(client, simulator, database, processes)
            await measured.play("warm", budget={"in_flight": 64}, records=20_000)
            await measured.run("warm")
            yield measured
            await measured.close()


async def _wait_ready(client: SluiceClient) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            await client.jobs(limit=1)
            return
        except ApiError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def drop_tables(database: str) -> None:
    """Forget what earlier measurements wrote, so that each begins alike."""
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'records'")
    for row in rows:
        await connection.execute(f'DROP TABLE records."{row["tablename"]}"')
    await connection.close()


def peer(program: Path, python: Path, simulator: str, database: str) -> dict[str, float]:
    """Run a peer to its end; gives what it printed."""
    done = subprocess.run(
        [str(python), str(program), simulator, database], capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
