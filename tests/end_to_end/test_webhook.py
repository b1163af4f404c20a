"""A webhook over HTTP, through five processes: it starts a job of a source, whose records arrive, each once."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.signing import SECRET, signed
from tests.stack import Place

HOOK = {
    "verify": {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK_OLD", "env:ACME_HOOK"]},
    "start": {"source": "acme-items", "parameters": {"region": "body.region"}, "when": "body.action == 'changed'"},
}
POLL = {
    "request": {"path": "/items", "query": {"region": "{parameters.region}"}},
    "pages": {"style": "offset", "total": "body.meta.total"},
    "records": {"key": "id"},
}


async def configure(running: Cluster) -> None:
    await running.configure_simulator("acme", records=300)
    await running.apply_vendor("acme")
    source = {"vendor": "acme", "poll": POLL, "sinks": [{"type": "postgres", "table": "items"}]}
    for place, document in (("sources/acme-items", source), ("hooks/acme-changed", HOOK)):
        answer = await running.http.put(f"{running.gateway}/{place}", json=document)
        assert answer.status_code == 201, answer.text


async def send(running: Cluster, sender_id: str, action: str = "changed") -> dict[str, Any]:
    answer = await running.http.post(
        f"{running.gateway}/in/acme-changed", **signed({"action": action, "region": "eu"}, sender_id)
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.timeout(300)
async def test_a_webhook_becomes_records(topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HOOK", SECRET)
    async with cluster(topics, tmp_path) as running:
        await configure(running)
        sent = [await send(running, "msg_1") for _ in range(3)]
        assert len({answer["id"] for answer in sent}) == 1
        await send(running, "msg_2", action="read")
        job = await eventually(lambda: ended(running, sent[0]), 60)
        assert (job["id"], job["status"], job["records"]) == (sent[0]["id"], "completed", 300)
        assert len(await running.records("items")) == 300

        running.kill("callback-gateway")
        again = await eventually(lambda: send(running, "msg_1"), 30)
        assert again == sent[0]
        third = await send(running, "msg_3")
        assert (await eventually(lambda: ended(running, third), 60))["status"] == "completed"
        listed = (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"]
        assert {job["id"] for job in listed} == {sent[0]["id"], third["id"]}
        assert await running.dead_letters() == []


async def ended(running: Cluster, answer: dict[str, Any]) -> dict[str, Any] | None:
    job = await running.job(answer["links"]["job"].removeprefix("/jobs/"))
    return job if job.get("ended_at") else None
