"""Dead letters that are sent again or put away, over HTTP."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.decide import PUBLISHED_AGAIN
from services.callback_gateway.redrive.loop import Redrive
from services.callback_gateway.redrive.model import LetterFilter
from services.callback_gateway.settings import Settings
from shared.errors import Unavailable
from shared.events.catalogue import DEAD
from shared.events.envelope import DELIVERY, RECIPIENT, REDRIVES
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.runtime.app import Runtime
from shared.runtime.service import open_runtime
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of, letter_of_task, listed
from tests.integration.callback_gateway.job_events import BEGAN
from tests.integration.callback_gateway.outages import crash
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.stack import Place


async def test_letters_are_found_by_what_they_are(edge: Served) -> None:
    job_id = new_id()
    ids = await keep(
        edge.database,
        letter_of(),
        letter_of(reason="empty", at=BEGAN + timedelta(hours=1)),
        letter_of_task(job_id, new_id(), at=BEGAN + timedelta(hours=2)),
    )
    later = (BEGAN + timedelta(hours=1)).isoformat()
    assert await listed(edge.http) == ids[::-1]
    assert await listed(edge.http, reason="empty") == ids[1:2]
    assert await listed(edge.http, job_id=str(job_id), service="fetcher") == ids[2:]
    assert await listed(edge.http, **{"from": later}) == [ids[2], ids[1]]
    assert await listed(edge.http, to=later) == ids[:1]
    assert await listed(edge.http, topic="sluice.jobs.requested", limit=1) == ids[2:]
    assert await listed(edge.http, topic="jobs.control") == []
    assert await listed(edge.http, state="discarded") == []
    page = await edge.http.get("/dead-letters", params={"limit": 2, "service": "planner", "reason": "bug"})
    assert (page.json()["next"], page.headers.get("link")) == (None, None)
    page = await edge.http.get("/dead-letters", params={"limit": 2, "to": (BEGAN + timedelta(days=1)).isoformat()})
    rest = await edge.http.get(page.headers["link"].partition(";")[0].strip("<>"))
    assert [one["id"] for one in rest.json()["dead_letters"]] == ids[:1]
    times = ({"from": "yesterday"}, {"from": "0001-01-01T00:00:00+23:59"}, {"to": "9999-12-31T23:59:59-23:59"})
    for query in (*times, {"state": "gone"}, {"service": "nobody"}, {"reason": "\0"}):
        assert (await edge.http.get("/dead-letters", params=query)).status_code == 422


async def test_a_message_goes_back_to_its_group_once(
    gateway: httpx.AsyncClient, topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    prefix = topics.prefix
    reader = await reader_for("jobs.requested")
    letter, letter_id = letter_of(prefix), new_id()
    await producer.send([outgoing(DEAD["planner"], "k", letter, id=letter_id)])
    await eventually(lambda: listed(gateway), 30)
    answer = await gateway.post(f"/dead-letters/{letter_id}/redrive")
    assert (answer.status_code, answer.json()["count"]) == (202, 1)
    [record] = await eventually(lambda: reader.records, 20)
    assert (record.key, record.value) == (b"k", b'{"url": "https://a.example"}')
    headers = dict(record.headers)
    assert (headers[DELIVERY], headers[REDRIVES]) == (b"5", b"1")
    assert headers[RECIPIENT] == f"{prefix}.planner.accept".encode()
    await eventually(lambda: listed(gateway, state="redriven"), 20)
    assert (await gateway.post(f"/dead-letters/{letter_id}/redrive")).status_code == 409
    assert (await gateway.post(f"/dead-letters/{letter_id}/discard", json={"reason": "x"})).status_code == 409


async def test_a_letter_without_its_value_is_refused_and_sends_no_tombstone(edge: Served) -> None:
    letter = letter_of()
    without = letter.original.model_copy(update={"value": None, "left_out": "a value of 9 bytes"})
    [letter_id] = await keep(edge.database, letter.model_copy(update={"original": without}))
    refused = await edge.http.post(f"/dead-letters/{letter_id}/redrive")
    assert (refused.status_code, "a value of 9 bytes" in refused.json()["detail"]) == (409, True)
    assert await listed(edge.http, state="open") == [letter_id]


async def test_a_letter_without_its_value_is_counted_as_held_back(edge: Served) -> None:
    letter = letter_of()
    without = letter.original.model_copy(update={"value": None, "left_out": "a value of 9 bytes"})
    held, sent = await keep(edge.database, letter.model_copy(update={"original": without}), letter_of())
    for dry_run in (True, False):
        order = {"filter": {"reason": "bug"}, "force": True, "dry_run": dry_run}
        told = (await edge.http.post("/dead-letters/redrive", json=order)).json()
        assert (told["count"], told["held"], told["ids"]) == (1, 1, [sent])
    assert await listed(edge.http, state="open") == [held]
    order = {"filter": {"reason": "bug"}, "reason": "too large", "dry_run": True}
    told = (await edge.http.post("/dead-letters/discard", json=order)).json()
    assert (told["count"], told["held"], told["ids"]) == (2, 0, [held, sent])


async def test_a_filter_is_tried_before_it_is_used(
    gateway: httpx.AsyncClient, topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    prefix = topics.prefix
    reader = await reader_for("jobs.requested")
    looping = letter_of(prefix, (REDRIVES, b"3"))
    letters = [letter_of(prefix), looping, letter_of(prefix), letter_of(prefix, reason="empty")]
    await producer.send([outgoing(DEAD["planner"], "k", one) for one in letters])

    async def all_there() -> bool:
        return len(await listed(gateway)) == 4

    await eventually(all_there, 30)
    order = {"filter": {"topic": "jobs.requested", "reason": "bug"}, "rate": 1000}
    dry = await gateway.post("/dead-letters/redrive", json={**order, "dry_run": True})
    assert (dry.status_code, dry.json()["count"], dry.json()["held"]) == (200, 2, 1)
    assert len(await listed(gateway, state="open")) == 4
    done = await gateway.post("/dead-letters/redrive", json=order)
    assert (done.status_code, done.json()["count"], done.json()["ids"]) == (202, 2, dry.json()["ids"])
    await eventually(lambda: len(reader.records) == 2, 20)
    [held] = await listed(gateway, state="open", reason="bug")
    refused = await gateway.post(f"/dead-letters/{held}/redrive")
    assert (refused.status_code, "came back 3 times" in refused.json()["detail"]) == (409, True)
    assert (await gateway.post(f"/dead-letters/{held}/redrive", params={"force": True})).status_code == 202
    await eventually(lambda: len(reader.records) == 3, 20)
    assert dict(reader.records[-1].headers)[REDRIVES] == b"4"


async def test_letters_are_put_away_for_a_reason(edge: Served) -> None:
    one, two, three = await keep(edge.database, letter_of(), letter_of(), letter_of(reason="empty"))
    assert (await edge.http.post(f"/dead-letters/{one}/discard", json={})).status_code == 422
    assert (await edge.http.post(f"/dead-letters/{one}/discard", json={"reason": "a test"})).status_code == 200
    assert (await edge.http.post(f"/dead-letters/{one}/redrive")).status_code == 409
    order = {"filter": {"reason": "bug"}, "reason": "all of them"}
    dry = (await edge.http.post("/dead-letters/discard", json={**order, "dry_run": True})).json()
    assert (dry["count"], dry["ids"]) == (1, [two])
    assert (await edge.http.post("/dead-letters/discard", json=order)).json()["count"] == 1
    assert await listed(edge.http, state="open") == [three]
    shown = (await edge.http.get(f"/dead-letters/{two}")).json()
    assert (shown["state"], shown["note"]) == ("discarded", "all of them")
    mistaken: tuple[dict[str, Any], ...] = (
        {"filter": {}},
        {"reason": "x"},
        {"filter": {"reson": "bug"}, "reason": "x"},
    )
    for body in mistaken:
        assert (await edge.http.post("/dead-letters/discard", json=body)).status_code == 422


async def test_only_an_open_letter_is_redriven(edge: Served) -> None:
    [one] = await keep(edge.database, letter_of())
    assert (await edge.http.post(f"/dead-letters/{one}/redrive")).status_code == 202
    again = await edge.http.post(f"/dead-letters/{one}/redrive")
    assert (again.status_code, again.json()["detail"]) == (409, "the dead letter is redriving already")


@pytest.mark.parametrize(
    ("verb", "meanwhile"), [("redrive", "discarded"), ("redrive", "redriving"), ("discard", "redriven")]
)
async def test_a_letter_that_changes_meanwhile_is_refused_as_it_then_is(
    edge: Served, verb: str, meanwhile: str
) -> None:
    [one] = await keep(edge.database, letter_of())
    async with edge.database.transaction() as tx:
        await tx.execute("UPDATE dead_letters SET state = $1", meanwhile)
        asked = asyncio.create_task(edge.http.post(f"/dead-letters/{one}/{verb}", json={"reason": "x"}))

        async def waits() -> bool:
            return await waiting(edge.database) > 0

        await eventually(waits)
    answer = await asked
    assert (answer.status_code, answer.json()["detail"]) == (409, f"the dead letter is {meanwhile} already")


async def test_what_waits_for_its_turn_can_be_put_away(edge: Served) -> None:
    one, two, three = await keep(edge.database, letter_of(), letter_of(), letter_of())
    order: dict[str, Any] = {"filter": {"reason": "bug"}}
    for rate in (1e-15, 0.0001, 0):
        assert (await edge.http.post("/dead-letters/redrive", json={**order, "rate": rate})).status_code == 422
    slow = await edge.http.post("/dead-letters/redrive", json={**order, "rate": 0.01})
    assert (slow.status_code, slow.json()["count"]) == (202, 3)
    assert (await edge.http.post(f"/dead-letters/{two}/discard", json={"reason": "a test"})).status_code == 200
    dry = (await edge.http.post("/dead-letters/discard", json={**order, "reason": "all", "dry_run": True})).json()
    assert (dry["count"], dry["ids"]) == (2, [one, three])
    assert (await edge.http.post("/dead-letters/discard", json={**order, "reason": "all"})).json()["count"] == 2
    assert await listed(edge.http, state="discarded") == [three, two, one]
    async with edge.database.transaction() as tx:
        await tx.execute("UPDATE dead_letters SET due_at = now() - interval '1 second'")
        assert await store.claim_due(tx, 10, 2**20, late_seconds=10) == []


async def test_what_cannot_be_sent_is_open_again(gateway: httpx.AsyncClient, producer: Producer) -> None:
    letter, letter_id = letter_of("elsewhere"), new_id()
    await producer.send([outgoing(DEAD["planner"], "k", letter, id=letter_id)])
    await eventually(lambda: listed(gateway), 30)
    assert (await gateway.post(f"/dead-letters/{letter_id}/redrive")).status_code == 202

    async def noted() -> bool:
        found = (await gateway.get(f"/dead-letters/{letter_id}")).json()
        return bool(found["state"] == "open" and "no topic" in found["note"])

    await eventually(noted, 20)


async def test_a_configuration_is_not_sent_again(edge: Served, standing: str) -> None:
    """It would undo what was published since, or bring back what was deleted."""
    ids = await keep(edge.database, *(letter_of(standing, topic=name) for name in ("vendors", "sources", "hooks")))
    for one in ids:
        answer = await edge.http.post(f"/dead-letters/{one}/redrive", params={"force": True})
        assert (answer.status_code, answer.json()["detail"]) == (409, PUBLISHED_AGAIN)
    for dry_run in (True, False):
        answer = await edge.http.post("/dead-letters/redrive", json={"filter": {}, "dry_run": dry_run, "force": True})
        assert (answer.json()["count"], answer.json()["held"]) == (0, 3)
    assert await listed(edge.http, state="open") == ids[::-1]
    done = await edge.http.post("/dead-letters/discard", json={"filter": {}, "reason": "published again"})
    assert (done.status_code, done.json()["count"]) == (200, 3)


async def test_a_crash_before_the_commit_sends_the_same_once_more(
    topics: Place, payloads: Path, reader_for: ReaderFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await reader_for("jobs.requested")
    runtime: Runtime[Any] = open_runtime("callback-gateway", topics.settings(Settings, payloads))
    await runtime.database.open()
    await runtime.producer.open()
    redrive = Redrive(runtime)
    await keep(runtime.database, *(letter_of(topics.prefix) for _ in range(20)))
    everything = store.Selection(LetterFilter(), topics.prefix)
    async with runtime.database.transaction() as tx:
        assert len(await store.schedule_redrives(tx, everything, store.LetterPage(), force=False)) == 20

    async def all_due() -> bool:
        async with runtime.database.transaction() as tx:
            return len(await store.claim_due(tx, 100, 2**20, late_seconds=10)) == 20

    await eventually(all_due, 5)
    with monkeypatch.context() as patched:
        patched.setattr(store, "close_redriven", crash)
        with pytest.raises(Unavailable):
            await redrive.step()
    await redrive.step()
    await runtime.producer.close()
    await runtime.database.close()
    await eventually(lambda: len(reader.records) == 40, 20)
    again = Counter((record.value, tuple(sorted(record.headers))) for record in reader.records)
    assert sorted(again.values()) == [2] * 20
