"""Webhooks while a gateway or the broker dies: what was acknowledged is found, once; what was not is taken again."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import stack as embedded
from shared.ids import derived_id
from tests.conftest import ReaderFor
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.signing import SECRET, signed
from tests.support.stack import ROOT, Place
from tests.support.topic_reader import TopicReader

pytestmark = [pytest.mark.chaos]

VERIFY = {"verify": {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK"]}}
SENDERS, EACH = 8, 40


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HOOK", SECRET)


async def test_a_gateway_killed_under_a_stream_of_webhooks_loses_and_doubles_none(
    topics: Place, tmp_path: Path, reader_for: ReaderFor
) -> None:
    received = await reader_for("webhooks.received")
    async with cluster(topics, tmp_path) as running:
        await configure(running, VERIFY)
        senders = [asyncio.create_task(send_patiently(running, f"s{number}")) for number in range(SENDERS)]
        for enough in (60, 160):
            await arrived(received, enough)
            running.kill("callback-gateway")
        await asyncio.gather(*senders)
        sent = {f"s{sender}-{number}" for sender in range(SENDERS) for number in range(EACH)}
        await eventually(lambda: {event["sender_id"] for event in received.values} == sent, 30)
        ids = {dict(record.headers)["ce_id"].decode() for record in received.records}
        assert ids == {str(derived_id("webhook", "acme", one)) for one in sent}


async def test_webhooks_sent_while_the_broker_is_dead_start_their_jobs(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=20)
        await running.apply_vendor("acme")
        source = {"vendor": "acme", "poll": {"request": {"path": "/items"}, "records": {"key": "id"}}}
        answer = await running.http.put(f"{running.gateway}/sources/items", json=source)
        assert answer.status_code == 201, answer.text
        await configure(running, {**VERIFY, "start": {"source": "items"}})
        await asyncio.to_thread(embedded.kill_kafka, ROOT, signal.SIGKILL)
        try:
            answers = [await send(running, f"msg_{number}") for number in (1, 2, 1)]
        finally:
            await asyncio.to_thread(embedded.start_kafka, ROOT)
        assert [answer.status_code for answer in answers] == [202, 202, 202]
        for answer in answers[:2]:
            await running.reaches(answer.json()["id"], "completed", 90)
        assert (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"][2:] == []


async def configure(running: Cluster, hook: dict[str, Any]) -> None:
    answer = await running.http.put(f"{running.gateway}/hooks/acme", json=hook)
    assert answer.status_code == 201, answer.text


async def send(running: Cluster, sender_id: str) -> httpx.Response:
    return await running.http.post(f"{running.gateway}/in/acme", **signed({"of": sender_id}, sender_id))


async def send_patiently(running: Cluster, sender: str) -> None:
    """One after the other, each until it is acknowledged, as senders do."""
    for number in range(EACH):

        async def acknowledged(sender_id: str = f"{sender}-{number}") -> bool:
            return (await send(running, sender_id)).status_code == 202

        await eventually(acknowledged, 60)


async def arrived(reader: TopicReader, enough: int) -> None:
    await eventually(lambda: len(reader.records) >= enough, 60)
