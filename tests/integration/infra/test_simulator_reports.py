"""Asynchronous jobs and their callbacks, and receivers of webhooks, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from infra.simulator import (
    FailPath,
    Fault,
    ReceiverConfig,
    ReportsConfig,
    Signing,
    Simulator,
    SimulatorConfig,
    VendorConfig,
)
from infra.simulator.signatures import sign_standard
from tests.support.eventually import eventually

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGN = Signing(scheme="standard-webhooks", secret=SECRET)


@asynccontextmanager
async def playing(
    reports: ReportsConfig, receiver: ReceiverConfig | None = None, **more: Any
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a simulator with one vendor, acme, that calls back to the simulator's own receiver `hook`."""
    simulator = Simulator(SimulatorConfig(receivers={"hook": receiver or ReceiverConfig()}))
    async with simulator.serve() as base_url, aiohttp.ClientSession(base_url) as client:
        known = reports.model_copy(update={"callback_url": f"{base_url}/receive/hook"})
        simulator.vendors.put("acme", VendorConfig(reports=known, **more))
        yield client


async def told(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def submit(client: aiohttp.ClientSession, *, key: str | None = None, **given: Any) -> str:
    async with client.post("/acme/reports", json=given, headers={"Idempotency-Key": key} if key else {}) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])


async def status(client: aiohttp.ClientSession, method: str, path: str, **more: Any) -> int:
    async with client.request(method, path, **more) as answer:
        return answer.status


async def reports(client: aiohttp.ClientSession) -> Any:
    return (await told(client, "/_truth/acme"))["reports"]


async def all_sent(client: aiohttp.ClientSession) -> Any:
    """The facts about callbacks, once none is on its way."""

    async def nothing_waits() -> Any:
        facts = (await reports(client))["callbacks"]
        return facts if facts["waiting"] == 0 else None

    return await eventually(nothing_waits)


async def test_a_report_is_submitted_called_back_and_read() -> None:
    async with playing(ReportsConfig(rows=25, work_seconds=(0.0, 0.05)), page_size_max=10) as client:
        report = await submit(client, month="2026-01")
        await all_sent(client)
        assert await told(client, f"/acme/reports/{report}") == {"id": report, "status": "succeeded"}
        rows: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await told(client, f"/acme/reports/{report}/rows?cursor={cursor}")
            rows += page["rows"]
            cursor = page["next"]
        assert len({row["id"] for row in rows}) == len(rows) == 25
        seen = await told(client, "/_truth/receive/hook")
        assert [entry["body"] for entry in seen["log"]] == [
            {"id": f"{report}-0", "status": "succeeded", "data": {"job_id": report}}
        ]
        facts = await reports(client)
        assert (facts["submits"], facts["row_deliveries"], facts["pages"]["distinct"]) == (1, 25, 3)
        assert await status(client, "DELETE", f"/acme/reports/{report}") == 409


async def test_an_early_callback_is_answered_before_the_submit_is() -> None:
    async with playing(ReportsConfig(early_share=1.0)) as client:
        report = await submit(client)
        (entry,) = (await told(client, "/_truth/acme/callbacks"))["callbacks"]
        assert (entry["report"], entry["kind"], entry["answer"]) == (report, "early", 204)


async def test_a_signed_callback_is_valid_and_a_forged_one_is_not() -> None:
    config = ReportsConfig(forged_share=1.0, sign=SIGN, work_seconds=(0.1, 0.1))
    async with playing(config, ReceiverConfig(secret=SECRET)) as client:
        await submit(client)
        assert (await all_sent(client))["answers"] == {"forged": {"401": 1}, "on_time": {"204": 1}}
        assert (await told(client, "/_truth/receive/hook"))["by_signature"] == {"invalid": 1, "valid": 1}


async def test_a_callback_is_sent_again_until_it_is_taken_and_not_for_ever() -> None:
    config = ReportsConfig(work_seconds=(0.0, 0.0), retry_seconds=0.01, attempts=3, sign=SIGN)
    async with playing(config, ReceiverConfig(fail_first=2)) as client:
        await submit(client)
        assert (await all_sent(client))["answers"] == {"on_time": {"500": 2, "204": 1}}
    async with playing(config, ReceiverConfig(fail_first=9, fail="drop")) as client:
        await submit(client)
        facts = await all_sent(client)
        assert (facts["answers"], facts["given_up"]) == ({"on_time": {"none": 3}}, 1)
    async with playing(config, ReceiverConfig(status=410)) as client:
        await submit(client)
        assert (await all_sent(client))["answers"] == {"on_time": {"410": 1}}


def test_the_wait_between_attempts_doubles_up_to_the_longest() -> None:
    config = ReportsConfig(retry_seconds=0.5, retry_seconds_max=3.0, attempts=100)
    assert [config.pause_seconds(attempt) for attempt in (1, 2, 3, 4, 100)] == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_callbacks_under_way_stay_within_the_largest_number() -> None:
    config = ReportsConfig(work_seconds=(0.0, 0.0), in_flight_max=3, twice_share=1.0)
    async with playing(config) as client:
        await asyncio.gather(*(submit(client, month=number) for number in range(20)))
        facts = await all_sent(client)
        assert facts["answers"] == {"twice": {"204": 40}}
        assert facts["highest_in_flight"] <= 3
        assert (await told(client, "/_truth/receive/hook"))["requests"] == 40


async def test_a_submit_may_say_where_its_callback_goes() -> None:
    async with playing(ReportsConfig(work_seconds=(0.0, 0.0))) as client:
        async with client.put("/_control/receivers/other") as answer:
            url = str(answer.url.origin() / "receive/other")
        await submit(client, month=1, callback_url=url)
        await submit(client, month=1)
        await all_sent(client)
        for name in ("hook", "other"):
            assert (await told(client, f"/_truth/receive/{name}"))["requests"] == 1
        assert (await reports(client))["inputs"]["most_repeated"] == [{"input": '{"month":1}', "times": 2}]


async def test_an_aborted_report_says_so_and_calls_nobody_back() -> None:
    async with playing(ReportsConfig(work_seconds=(0.3, 0.3))) as client:
        report = await submit(client)
        assert await status(client, "GET", f"/acme/reports/{report}/rows") == 409
        assert [await status(client, "DELETE", f"/acme/reports/{report}") for _ in range(2)] == [204, 204]
        facts = await all_sent(client)
        assert (facts["attempts"], facts["withdrawn"]) == (0, 1)
        assert (await told(client, f"/acme/reports/{report}"))["status"] == "aborted"


async def test_a_submit_whose_answer_is_lost_made_its_report_all_the_same() -> None:
    hang = FailPath(match="^/reports$", fault=Fault.HANG, times=1)
    reports_config = ReportsConfig(idempotency_keys=True, work_seconds=(0.0, 0.0))
    async with playing(reports_config, hang_seconds=0.0, fail_paths=(hang,)) as client:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await submit(client, key="k", month=1)
        await submit(client, key="k", month=1)
        await all_sent(client)
        facts = await reports(client)
        assert (facts["submits"], facts["made"], facts["callbacks"]["attempts"]) == (2, 1, 1)


async def test_wrong_submits_and_unknown_reports_are_refused() -> None:
    async with playing(ReportsConfig(idempotency_keys=True)) as client:
        assert await status(client, "POST", "/acme/reports", data=b"[1]") == 400
        assert await status(client, "POST", "/acme/reports", data=b"{") == 400
        assert await status(client, "POST", "/acme/reports", json={"callback_url": "ftp://x"}) == 400
        await submit(client, key="k", month=1)
        again = {"json": {"month": 2}, "headers": {"Idempotency-Key": "k"}}
        assert await status(client, "POST", "/acme/reports", **again) == 422
        assert await status(client, "GET", "/acme/reports/r-0") == 404
        assert await status(client, "PUT", "/acme/reports/r-0") == 405
        assert (await reports(client))["made"] == 1


async def test_a_reset_forgets_reports_and_withdraws_callbacks() -> None:
    async with playing(ReportsConfig(work_seconds=(0.2, 0.2))) as client:
        report = await submit(client)
        assert await status(client, "POST", "/_control/vendors/acme/reset") == 204
        assert await status(client, "GET", f"/acme/reports/{report}") == 404
        await submit(client)
        await all_sent(client)
        assert (await told(client, "/_truth/receive/hook"))["requests"] == 1


async def test_receivers_are_set_up_reset_and_removed_at_run_time() -> None:
    async with playing(ReportsConfig()) as client:
        receiver = "/_control/receivers/shop"
        assert await status(client, "POST", "/receive/shop") == 404
        assert await status(client, "PUT", receiver, json={"secret": "whsec_!"}) == 422
        assert await status(client, "PUT", receiver, json={"secret": SECRET}) == 200
        assert (await told(client, receiver))["secret"] == SECRET
        assert await status(client, "POST", "/receive/shop", data=b"{}") == 401
        old = sign_standard(SECRET, "msg_1", 1, b"{}")
        assert await status(client, "POST", "/receive/shop", data=b"{}", headers=old) == 401
        seen = await told(client, "/_truth/receive/shop")
        assert (seen["requests"], seen["by_signature"]) == (2, {"unsigned": 1, "invalid": 1})
        assert await status(client, "POST", f"{receiver}/reset") == 204
        assert (await told(client, "/_truth/receive/shop"))["requests"] == 0
        assert await status(client, "DELETE", receiver) == 204
        assert await status(client, "POST", "/receive/shop") == 404
        assert await status(client, "PUT", "/_control/vendors/receive", json={}) == 422
