"""Secrets appear nowhere but in the calls that they are for, and errors repeat nothing of what caused them."""

from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.events.catalogue import topics as all_topics
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.end_to_end.invocations import INVOKE, OUTCOME
from tests.support.cluster import SERVICES, Cluster, cluster
from tests.support.eventually import eventually
from tests.support.letters import reasons
from tests.support.reports import Report, Reports
from tests.support.stack import Place

CREDENTIAL = "sk_canary_credential_5b1f"
"""A good secret, used as it should be."""
BAD = "sk_canary_value_c07d"
"""What somebody put where it does not belong; it may stand in the original, and nowhere else."""
POLL = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 50}, "records": {"key": "id"}}
LINKED = {"request": {"path": "/link"}, "pages": {"style": "link"}, "records": {"key": "id"}}
URL = "https://api.example/items"
MAC_CHARACTERS = 26
"""The end of a token, which is made of the secret key alone."""
DOCUMENTS: list[tuple[str, str, Any]] = [
    ("PUT", "/vendors/x", {"base_url": URL, "auth": {"type": "bearer", "token": BAD}}),
    ("PUT", "/vendors/x", {"base_url": URL, "auth": {"type": BAD, "token": BAD}}),
    ("PUT", "/vendors/x", {"base_url": f"https://user:{BAD}@api.example"}),
    ("PUT", "/vendors/x", {"base_url": BAD}),
    ("PUT", "/vendors/x", {"base_url": URL, "budget": BAD}),
    ("PUT", "/vendors/x", {"base_url": URL, "retry": {"attempts": BAD, "total": BAD}, "limits": {"body": BAD}}),
    ("PUT", "/sources/x", {"vendor": "acme", "poll": {"pages": {"style": BAD}}}),
    ("PUT", "/sources/x", {"vendor": "acme", "poll": {}, "sinks": [{"type": BAD}]}),
    ("PUT", "/hooks/x", {"verify": {"scheme": "github", "secrets": [BAD]}}),
    ("PUT", "/hooks/x", {"verify": {"scheme": BAD, "secrets": [BAD]}}),
    ("POST", "/jobs", {"url": f"https://user:{BAD}@api.example"}),
    ("POST", "/jobs", {"url": [BAD]}),
    ("POST", "/jobs", {"url": URL, "priority": BAD, "tolerate": BAD, "id": BAD}),
    ("POST", "/jobs", {"vendor": "acme", "request": {"path": BAD, "headers": [BAD]}}),
    ("POST", "/jobs", {"url": URL, "notify": [{"webhook": f"https://{BAD}@h.example", "secret": BAD}]}),
    ("POST", "/schedules", {"cron": BAD, "zone": BAD, "start": {"url": BAD}}),
    ("POST", "/schedules", {"triggerAt": BAD, "overlap": BAD, "start": {"url": URL}}),
    ("POST", "/dead-letters/redrive", {"filter": {"service": BAD, "from": BAD}}),
]
RECORDS: dict[str, dict[str, bytes]] = {
    "jobs.requested": {
        "a URL": orjson.dumps({"url": f"https://user:{BAD}@api.example"}),
        "a type": orjson.dumps({"url": [BAD], "priority": BAD}),
        "a style": orjson.dumps({"vendor": "acme", "poll": {"pages": {"style": BAD}}}),
        "an id": orjson.dumps({"url": URL, "id": BAD}),
        "cut": orjson.dumps({"url": f"{URL}/{BAD}"})[:-2],
        "NUL": orjson.dumps({"source": f"{BAD}\0"}),
    },
    "jobs.control": {"an action": orjson.dumps({"job_id": BAD, "action": BAD})},
    "jobs.events": {"a type of event": orjson.dumps({"type": BAD, "job_id": BAD})},
    "tasks.events": {
        "a number": orjson.dumps(
            {"task_id": "00000000-0000-0000-0000-000000000001", "job_id": "00000000-0000-0000-0000-000000000001"}
            | {"number": 2**40, "state": "started", "service": BAD, "reason": BAD, "at": "2026-01-01T00:00:00Z"}
        )
    },
    "schedules.requested": {
        "a cron": orjson.dumps({"schedule": {"cron": BAD, "start": {"url": URL}}}),
        "an event": orjson.dumps({"schedule": {"every": "1h", "publish": {"topic": BAD, "event": {"a": BAD}}}}),
        "a surrogate": b'{"schedule":{"every":"1h","start":{"url":"%s\\ud800"}}}' % BAD.encode(),
        "a parameter": orjson.dumps(
            {"schedule": {"every": "1h", "start": {"source": "items", "parameters": {"x": f"{BAD}\0"}}}}
        ),
    },
    "webhooks.received": {"a hook": orjson.dumps({"webhook_id": BAD, "hook": BAD})},
    "vendors": {"a vendor": orjson.dumps({"vendor": {"vendor": "x", "base_url": BAD, "auth": {"type": BAD}}})},
}


async def test_secrets_appear_only_in_the_calls_that_they_are_for(
    topics: Place, tmp_path: Path, producer: Producer, reader_for: ReaderFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", CREDENTIAL)
    dead = {name: await reader_for(f"{name}.dead") for name in SERVICES}
    readers = [await reader_for(topic.name) for topic in all_topics()]
    async with Reports(_call_back_at_once) as reports, cluster(topics, tmp_path) as running:
        await _use_the_credential(running)
        tokens = await _use_callback_urls(running, reports)
        readers.append(await reader_for("records.linked"))
        answers = [
            await running.http.request(method, running.gateway + path, json=body) for method, path, body in DOCUMENTS
        ]
        await _forge(running)
        for topic, records in RECORDS.items():
            await producer.send([Outgoing(topic, what, value, ()) for what, value in records.items()])
        wanted = {what for records in RECORDS.values() for what in records}
        await eventually(lambda: wanted <= {what for reader in dead.values() for what in reasons(reader)}, 40)
        metrics = [await running.http.get(f"http://127.0.0.1:{port}/metrics") for port in running.ports.values()]
        letters = await running.http.get(f"{running.gateway}/dead-letters", params={"limit": 1000})
        rows = await _all_rows(topics)
        await eventually(lambda: len(readers[-1].records) == 100)
    assert [answer.status_code for answer in answers] == [422] * len(DOCUMENTS)
    good = [CREDENTIAL, *tokens]
    for answer in (*answers, *metrics, letters):
        assert not _told(answer.content, BAD, *good), (answer.request.url, answer.text)
    for reader in dead.values():
        for value in reader.values:
            del value["original"]
            assert not _told(orjson.dumps(value), BAD), value
    logs = [file for file in (tmp_path / "logs").glob("*.log") if file.stem in SERVICES]
    assert len(logs) == len(SERVICES)
    for file in logs:
        lines = [line for line in file.read_bytes().splitlines() if _told(line, BAD, *good)]
        assert not lines, (file.name, lines[0][:2000])
    for record in (record for reader in readers for record in reader.records):
        parts = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
        assert not _told(b"\n".join(parts), *good), (record.topic, parts)
    assert not _told(rows.encode(), *good, *(secret.encode().hex() for secret in good))
    stored = [file for file in (tmp_path / "payloads").rglob("*") if file.is_file()]
    assert stored
    assert not any(_told(file.read_bytes(), *good) for file in stored)


def _told(text: bytes, *secrets: str) -> bool:
    return any(secret.encode() in text for secret in secrets)


async def _call_back_at_once(reports: Reports, report: Report) -> None:
    assert await reports.call_back(report, "succeeded") == 202


async def _use_callback_urls(running: Cluster, reports: Reports) -> list[str]:
    """A vendor's job that is called back, and one that is refused by an answer that repeats the URL; gives what of
    their tokens nobody could guess."""
    await running.apply_vendor("caller", base_url=reports.url, callbacks={"outcome": OUTCOME})
    for refusals, status in (([], "completed"), ([422], "failed")):
        reports.refusals = refusals
        job = await running.ended(await running.submit({"vendor": "caller", "invoke": INVOKE, "input": [{"month": 1}]}))
        assert job["status"] == status, job
    assert reports.answers == [202]
    assert len(set(reports.callback_urls)) == 2
    return [url[-MAC_CHARACTERS:] for url in reports.callback_urls]


async def _use_the_credential(running: Cluster) -> None:
    """One vendor that takes it, one that does not, and one that has it in the query of links to follow."""
    auth = {"auth": {"type": "bearer", "token": "env:ACME_TOKEN"}}
    for vendor, token, status in (("acme", CREDENTIAL, "completed"), ("other", "another", "failed")):
        await running.configure_simulator(vendor, records=100, require_token=token)
        await running.apply_vendor(vendor, **auth)
        job = await running.ended(await running.submit({"vendor": vendor, "poll": POLL}))
        assert job["status"] == status, job
    await running.configure_simulator("linked", records=100)
    await running.apply_vendor("linked", auth={"type": "query", "name": "key", "value": "env:ACME_TOKEN"})
    source = {"vendor": "linked", "poll": LINKED, "sinks": [{"type": "topic"}]}
    assert (await running.http.put(f"{running.gateway}/sources/linked", json=source)).status_code == 201
    job = await running.ended(await running.submit({"source": "linked"}))
    assert job["status"] == "completed", job


async def _forge(running: Cluster) -> None:
    """A callback by a URL that we never made; a webhook that proves itself by a wrong token, and then the right one."""
    answer = await running.http.post(f"{running.gateway}/callbacks/acme/{BAD}", json={})
    assert (answer.status_code, _told(answer.content, BAD)) == (404, False)
    hook = {"verify": {"scheme": "token", "secrets": ["env:ACME_TOKEN"]}}
    assert (await running.http.put(f"{running.gateway}/hooks/acme", json=hook)).status_code == 201
    for token, status in ((BAD, 401), (CREDENTIAL, 202)):
        answer = await eventually(partial(_send, running, token))
        assert answer.status_code == status
        assert not _told(answer.content, BAD, CREDENTIAL)


async def _send(running: Cluster, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await running.http.post(f"{running.gateway}/in/acme", json={"a": 1}, headers=headers)
    assert answer.status_code != 404
    return answer


async def _all_rows(place: Place) -> str:
    """Everything in the database, as text; bytes as hexadecimal digits."""
    owner = await asyncpg.connect(place.owner_url())
    try:
        tables = await owner.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname !~ '^(pg_|information_)'"
        )
        found = [await owner.fetch(f"SELECT one::text AS line FROM {table['name']} AS one") for table in tables]
    finally:
        await owner.close()
    return "\n".join(row["line"] for rows in found for row in rows)
