"""Five service processes and the simulator, on a test's own database and topics, as a user would run them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from infra.local.ports import free_port
from infra.local.processes import Processes
from tests.support.eventually import eventually
from tests.support.forks import spawn
from tests.support.stack import Place

SERVICES = {
    "planner": "services.planner",
    "fetcher": "services.fetcher",
    "processor": "services.processor",
    "callback-gateway": "services.callback_gateway",
    "scheduler": "services.scheduler",
}
PROJECT = Path(__file__).resolve().parents[2]


class Cluster:
    """What a test does to the running system, and asks it."""

    def __init__(self, place: Place, root: Path, processes: Processes, *, is_static: bool = True) -> None:
        """`is_static`: whether processes keep their places in their groups when they are started again."""
        self.place = place
        self.processes = processes
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)
        self.gateway = ""
        self.simulator = ""
        self.ports: dict[str, int] = {}
        self._root = root
        self._is_static = is_static

    def start_service(self, name: str, *, instance: str = "") -> None:
        """Start one more process of a service."""
        called = instance or name
        port = free_port()
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
        environment |= self.place.environment(self._root / "payloads")
        environment |= {"SLUICE_HEALTH_PORT": str(port), "SLUICE_LOG_LEVEL": "INFO"}
        environment |= {"SLUICE_REPLICA": called if self._is_static else ""}
        if not self.gateway:
            self.gateway = f"http://127.0.0.1:{free_port()}"
        environment |= {"SLUICE_GATEWAY_PUBLIC_URL": self.gateway}
        if name == "callback-gateway":
            environment |= {"SLUICE_GATEWAY_PORT": self.gateway.rsplit(":", 1)[1]}
        self.processes.start(called, [sys.executable, "-m", SERVICES[name]], environment)
        self.ports[called] = port

    async def wait_ready(self, *names: str, within_seconds: float = 40) -> None:
        """Until these processes say that they can work."""

        async def ready() -> bool:
            answers = [await self.http.get(f"http://127.0.0.1:{self.ports[name]}/readyz") for name in names]
            bodies = [answer.json() for answer in answers]
            return all(
                answer.status_code == 200
                and name.startswith(body["service"])
                and all(state["partitions"] > 0 for state in body["consumers"])
                for name, answer, body in zip(names, answers, bodies, strict=True)
            )

        await eventually(ready, within_seconds)

    def start_simulator(self) -> None:
        """Start the vendor simulator."""
        port = free_port()
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        self.processes.start("simulator", [sys.executable, "-m", "infra.simulator", "--port", str(port)], environment)
        self.simulator = f"http://127.0.0.1:{port}"

    async def configure_simulator(self, vendor: str, **config: Any) -> None:
        """Make the simulator play this vendor."""

        async def put() -> bool:
            answer = await self.http.put(f"{self.simulator}/_control/vendors/{vendor}", json=config)
            assert answer.status_code < 300, answer.text
            return True

        await eventually(put)

    async def truth(self, vendor: str, **query: Any) -> dict[str, Any]:
        """What the simulator saw."""
        answer = await self.http.get(f"{self.simulator}/_truth/{vendor}", params=query)
        found: dict[str, Any] = answer.json()
        return found

    async def apply_vendor(self, name: str, **more: Any) -> None:
        """Configure a vendor that the simulator plays."""
        document = {"vendor": name, "base_url": f"{self.simulator}/{name}", "network": {"private_addresses": "allow"}}
        answer = await self.http.put(f"{self.gateway}/vendors/{name}", json={**document, **more})
        assert answer.status_code in (200, 201), answer.text

    async def submit(self, document: dict[str, Any]) -> str:
        """Post a job; gives its id."""

        async def post() -> str:
            answer = await self.http.post(f"{self.gateway}/jobs", json=document)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        return await eventually(post, 20)

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job as the gateway shows it."""
        answer = await self.http.get(f"{self.gateway}/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def control(self, job_id: str, action: str) -> None:
        """Cancel, pause, resume or redrive."""
        answer = await self.http.post(f"{self.gateway}/jobs/{job_id}/{action}")
        assert answer.status_code == 202, answer.text

    async def reaches(self, job_id: str, status: str, within_seconds: float = 20) -> None:
        """Until the job has that status."""

        async def there() -> bool:
            return bool((await self.job(job_id))["status"] == status)

        await eventually(there, within_seconds)

    async def ended(self, job_id: str, within_seconds: float = 60) -> dict[str, Any]:
        """The job, once it is over."""

        async def over() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job.get("ended_at") else None

        return await eventually(over, within_seconds) or {}

    async def records(self, table: str = "records") -> list[asyncpg.Record]:
        """All rows of a table of the default sink."""
        owner = await asyncpg.connect(self.place.owner_url())
        try:
            rows: list[asyncpg.Record] = await owner.fetch(f"SELECT * FROM records.{table} ORDER BY key")
        finally:
            await owner.close()
        return rows

    async def dead_letters(self, **query: str) -> list[dict[str, Any]]:
        """All dead letters, or those of a job or in a state: by `job_id` and `state`."""
        answer = await self.http.get(f"{self.gateway}/dead-letters", params=query)
        found: list[dict[str, Any]] = answer.json()["dead_letters"]
        return found

    def kill(self, name: str) -> None:
        """`kill -9`; the supervisor starts it again."""
        self.processes.kill(name, signal.SIGKILL)


@asynccontextmanager
async def cluster(place: Place, root: Path, *, is_static: bool = True) -> AsyncIterator[Cluster]:
    """All five services and the simulator, supervised."""
    processes = Processes(root, spawn=spawn)
    running = Cluster(place, root, processes, is_static=is_static)
    try:
        running.start_simulator()
        for name in SERVICES:
            running.start_service(name)
        processes.supervise()
        await running.wait_ready(*SERVICES)
        yield running
    finally:
        await running.http.aclose()
        await asyncio.to_thread(processes.stop_all)
