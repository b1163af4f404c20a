"""Two fetchers share one contract: by the vendor's own count they never exceed it together."""

import signal
from functools import partial

import pytest

from tests.support.cluster import Cluster
from tests.support.contracts import Contract
from tests.support.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"SLUICE_FETCHER_LEASE_SECONDS": "3"}


@pytest.fixture
async def fetchers(running: Cluster) -> None:
    if "fetcher-2" not in running.ports:
        running.start_service("fetcher", instance="fetcher-2")
    await running.wait_ready("fetcher", "fetcher-2")


async def read_pages(running: Cluster, vendor: str, size: int) -> str:
    """A job of all the vendor's items; gives its id."""
    pages = {"style": "offset", "size": size, "total": "body.meta.total"}
    return await running.submit({"vendor": vendor, "poll": {**ITEMS, "pages": pages}})


async def has_called(running: Cluster, fetcher: str) -> bool:
    metrics = (await running.http.get(f"http://127.0.0.1:{running.ports[fetcher]}/metrics")).text
    return 'sluice_vendor_requests_total{vendor="strict"' in metrics


@pytest.mark.usefixtures("fetchers")
async def test_a_rate_is_kept_while_one_of_them_is_killed(running: Cluster) -> None:
    """With permits in hand; it comes back, too."""
    contract = Contract(per_second=60, calls=250, seconds=5, in_flight=20)
    await running.configure_simulator("strict", records=8000, **contract.limits)
    await running.apply_vendor("strict", budget=contract.budget)
    job_id = await read_pages(running, "strict", size=20)
    for fetcher in ("fetcher", "fetcher-2"):
        await eventually(partial(has_called, running, fetcher))
    running.kill("fetcher")
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"]) == ("completed", 8000)
    await eventually(lambda: running.processes.exit_codes("fetcher") == [-signal.SIGKILL])
    await contract.assert_kept(running, "strict")


@pytest.mark.usefixtures("fetchers")
async def test_they_have_no_more_in_flight_than_allowed(running: Cluster) -> None:
    await running.configure_simulator("narrow", records=300, delay_seconds=[0.02, 0.1])
    await running.apply_vendor("narrow", budget={"in_flight": 3})
    job = await running.ended(await read_pages(running, "narrow", size=5))
    assert (job["status"], job["distinct"]) == ("completed", 300)
    assert (await running.truth("narrow"))["highest_in_flight"] == 3
