"""The running system under measurement: the stack, five services, a second fetcher where wanted, the simulator."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from benchmarks.bench import Bench
from benchmarks.quiet import wait_quiet
from infra.local import services, stack
from infra.local.descriptors import raise_descriptor_limit
from infra.local.processes import Processes
from shared.client.client import SluiceClient
from shared.client.connection import ApiError

READY_SECONDS = 60.0
POLL: dict[str, Any] = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 100, "total": "body.meta.total"},
    "records": {"select": "body.items[]", "key": "id"},
}
INVOKE: dict[str, Any] = {
    "submit": {"method": "POST", "path": "/reports", "json": {"n": "{input.n}", "callback_url": "{callback.url}"}},
    "vendor_job": "body.id",
    "deadline": "30m",
}


class System:
    """What the measurements do to it."""

    def __init__(self, client: SluiceClient, simulator: str, database: str, processes: Processes) -> None:
        self.client = client
        self.simulator = simulator
        self.database = database
        self.processes = processes
        self._http = httpx.AsyncClient(base_url=simulator, trust_env=False, timeout=60)
        self._tables = 0

    async def wait_for_simulator(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                await self._http.get("/_control/vendors/nobody")
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def play(self, vendor: str, config: dict[str, Any], **document: Any) -> None:
        """Make the simulator play a vendor afresh, and configure it in Sluice."""
        (await self._http.put(f"/_control/vendors/{vendor}", json=config)).raise_for_status()
        (await self._http.post(f"/_control/vendors/{vendor}/reset")).raise_for_status()
        plain = {
            "vendor": vendor,
            "base_url": f"{self.simulator}/{vendor}",
            "network": {"private_addresses": "allow"},
        }
        await self.client.put("vendors", vendor, {**plain, **document})

    async def truth(self, vendor: str) -> dict[str, Any]:
        """What the vendor saw."""
        found: dict[str, Any] = (await self._http.get(f"/_truth/{vendor}")).json()
        return found

    def new_table(self) -> str:
        """The name of a table that does not exist yet."""
        self._tables += 1
        return f"bench_{os.getpid()}_{self._tables}"

    async def run(self, vendor: str, expected: int, poll: dict[str, Any] = POLL, table: str = "") -> float:
        """One job into a table; gives the seconds from the request to `job.completed`, all records being there."""
        table = table or self.new_table()
        document = {"vendor": vendor, "poll": poll, "sinks": [{"type": "postgres", "table": table}]}
        began = time.perf_counter()
        reference = await self.client.submit(document)
        async for event in self.client.events(reference.id):
            last = event.name
        seconds = time.perf_counter() - began
        found = await self._count(table)
        if last != "job.completed" or found != expected:
            raise RuntimeError(f"job {reference.id}: {last}, {found} of {expected} records in {table}")
        return seconds

    async def settle(self) -> None:
        """Drop what was written and wait until all is quiet, so that each measurement begins like the one before."""
        await drop_tables(self.database)
        await wait_quiet([self.processes.pid(name) for name in self.processes.names()])

    def resident_megabytes(self) -> dict[str, float]:
        """Memory of each service, in MiB."""
        return {name: round(self.processes.resident_bytes(name) / 2**20, 1) for name in services.MODULES}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _count(self, table: str) -> int:
        connection = await asyncpg.connect(self.database)
        count: int = await connection.fetchval(f'SELECT count(*) FROM records."{table}"')
        await connection.close()
        return count


@asynccontextmanager
async def system(bench: Bench, fetchers: int = 1) -> AsyncIterator[System]:
    """Start everything, warm it up, and stop the services at the end."""
    raise_descriptor_limit()
    addresses = await asyncio.to_thread(stack.start, bench.root)
    services.choose_ports(bench.root)
    await _provision(services.step_environment(bench.root, addresses))
    environment = services.environment(bench.root, addresses, *services.MODULES)
    simulator = services.simulator_url(bench.root)
    database = services.database_url(addresses)
    with Processes(bench.root) as processes:
        port = simulator.rsplit(":", 1)[1]
        processes.start("simulator", [sys.executable, "-m", "infra.simulator", "--port", port], environment)
        modules = [(name, module, "1") for name, module in services.MODULES.items()]
        modules += [(f"fetcher-{number}", "services.fetcher", str(number)) for number in range(2, fetchers + 1)]
        for name, module, replica in modules:
            processes.start(name, [sys.executable, "-m", module], {**environment, "SLUICE_REPLICA": replica})
        processes.supervise()
        async with SluiceClient(services.gateway_url(bench.root)) as client:
            await _wait_ready(client)
            measured = System(client, simulator, database, processes)
            await measured.wait_for_simulator()
            await measured.play("warm", {"records": 20_000}, budget={"in_flight": 64})
            await measured.run("warm", 20_000)
            await measured.settle()
            yield measured
            await measured.close()


async def _provision(environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "services.provision"]
    process = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"services.provision ended with {process.returncode}")


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
    """Drop the records that earlier measurements wrote, and write out what Postgres still has to."""
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'records'")
    for row in rows:
        await connection.execute(f'DROP TABLE records."{row["tablename"]}"')
    await connection.execute("CHECKPOINT")
    await connection.close()
