"""A job that is nothing but a URL. Its host must be public, so the services run inside the test, where a name server of
our own gives the simulator's address, and that address counts as public."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from aiohttp.abc import ResolveResult

from infra.local.ports import free_port
from infra.simulator.config import SimulatorConfig, VendorConfig
from infra.simulator.server import Simulator
from services.callback_gateway.app import build as build_gateway
from services.callback_gateway.settings import Settings as GatewaySettings
from services.fetcher.app import build as build_fetcher
from services.fetcher.call import names
from services.fetcher.settings import Settings as FetcherSettings
from services.planner.app import build as build_planner
from services.planner.settings import Settings as PlannerSettings
from services.processor.app import build as build_processor
from services.processor.settings import Settings as ProcessorSettings
from shared.database.pool import Database
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

HOST = "items.example"
HERE = "127.0.0.1"
RECORDS = 1200


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        assert host == HOST
        return [ResolveResult(hostname=host, host=HERE, port=port, family=socket.AF_INET, proto=0, flags=0)]

    monkeypatch.setattr(names.Resolver, "resolve", resolve)
    monkeypatch.setattr(names, "is_public", lambda address: str(address) == HERE)


@pytest.fixture
async def gateway(topics: Place, payloads: Path, public: None) -> AsyncIterator[httpx.AsyncClient]:
    """Four services; there is nothing to do at a time."""
    port = free_port()
    async with AsyncExitStack() as stack:
        for service in (
            running("planner", PlannerSettings, build_planner, topics, payloads),
            running("fetcher", FetcherSettings, build_fetcher, topics, payloads),
            running("processor", ProcessorSettings, build_processor, topics, payloads),
            running("callback-gateway", GatewaySettings, build_gateway, topics, payloads, gateway_port=port),
        ):
            await stack.enter_async_context(service)
        url = f"http://{HERE}:{port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20, trust_env=False))
        await eventually(lambda: http.get("/jobs"))
        yield http


async def count_rows(database: Database, source: str) -> int:
    async with database.transaction() as tx:
        found: int = await tx.fetchval("SELECT count(*) FROM records.records WHERE source = $1", source)
    return found


async def test_a_job_of_only_a_url_detects_its_paging_and_gets_every_record(
    gateway: httpx.AsyncClient, database_for: DatabaseFor
) -> None:
    simulator = Simulator(SimulatorConfig(vendors={"acme": VendorConfig(records=RECORDS)}))
    async with simulator.serve() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False) as vendor:
        place = f"{HOST}:{base_url.rsplit(':', 1)[1]}/acme/items"
        answer = await gateway.post("/jobs", json={"url": f"http://{place}?status=open"})
        job_id = answer.json()["id"]
        assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{job_id}")

        async def over() -> bool:
            return bool((await gateway.get(f"/jobs/{job_id}")).json()["ended_at"])

        await eventually(over, 60)
        job = (await gateway.get(f"/jobs/{job_id}")).json()
        assert (job["id"], job["status"], job["distinct"]) == (job_id, "completed", RECORDS), job
        assert job["note"] == "paging detected: offset in body.meta.total"
        assert await count_rows(await database_for("processor"), place) == RECORDS
        truth = (await vendor.get("/_truth/acme", params={"window_seconds": 0.97})).json()
        assert truth["requests"] == 12
        assert truth["window"]["all"] <= 5
