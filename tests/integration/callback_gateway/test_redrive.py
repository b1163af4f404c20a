"""Dead letters that are sent again or put away, over HTTP."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from services.callback_gateway.metrics import LETTERS_OPEN
from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.count import CountOpen
from services.callback_gateway.redrive.decide import PUBLISHED_AGAIN
from services.callback_gateway.redrive.loop import Redrive
from services.callback_gateway.redrive.model import LetterFilter
from services.callback_gateway.settings import Settings
from services.callback_gateway.views.handler import view_dead_letters, view_jobs, view_tasks
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.catalogue import DEAD
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import DELIVERY, RECIPIENT, REDRIVES, Incoming, Position, Record
from shared.events.jobs import JobAccepted, JobCounts, JobEnded, JobProgressed, JobState
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.runtime.app import Runtime
from shared.runtime.service import open_runtime
from tests.conftest import ReaderFor
from tests.eventually import eventually
from tests.integration.callback_gateway.conftest import Served
from tests.stack import Place

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def letter_of(prefix: str = "sluice", *headers: tuple[str, bytes], **more: Any) -> DeadLetter:
    value = more.pop("value", b'{"url": "https://a.example"}')
    record = Record(Position(f"{prefix}.{more.pop('topic', 'jobs.requested')}", 0, 0), b"k", value, headers, BEGAN)
    told = {"service": "planner", "group": f"{prefix}.planner.accept", "reason": "bug", "delivery": 4, "at": BEGAN}
    return DeadLetter(event_id=new_id(), original=Original.of(record), **{**told, **more})


def letter_of_task(job_id: UUID, task_id: UUID, *, round: int = 0, **more: Any) -> DeadLetter:
    call = {"type": "fetch.requested", "task_id": str(task_id), "job_id": str(job_id), "number": 0, "vendor": "v"}
    value = orjson.dumps({**call, "call": {}, "processing": {"source": "s"}, "round": round})
    return letter_of(service="fetcher", job_id=job_id, task_id=task_id, value=value, **more)


def incoming(event: Any) -> Incoming[Any]:
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, b"", (), BEGAN))


async def keep(database: Database, *letters: DeadLetter) -> list[str]:
    """As if they had come from their topics; gives their ids."""
    batch = [incoming(letter) for letter in letters]
    async with database.transaction() as tx:
        await view_dead_letters(tx, batch)
    return [str(one.id) for one in batch]


async def listed(http: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await http.get("/dead-letters", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["dead_letters"]]


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
        assert await store.claim_due(tx, 10) == []


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


async def test_a_task_that_was_planned_again_leaves_no_open_letter(edge: Served) -> None:
    job_id, task_id = new_id(), new_id()
    first = letter_of_task(job_id, task_id)
    await keep(edge.database, first)
    again = TaskChanged(
        task_id=task_id, job_id=job_id, number=0, round=1, state=TaskState.PLANNED, service="planner", at=BEGAN
    )
    async with edge.database.transaction() as tx:
        await view_tasks(tx, [incoming(again)])
    assert await listed(edge.http, state="open") == []
    await keep(edge.database, first)
    [current] = await keep(edge.database, letter_of_task(job_id, task_id, round=1))
    assert await listed(edge.http, state="open") == [current]


async def test_a_letter_whose_task_was_planned_again_before_its_turn_is_not_sent(edge: Served) -> None:
    """Its order would be for a round that is over."""
    job_id, task_id = new_id(), new_id()
    [waits] = await keep(edge.database, letter_of_task(job_id, task_id))
    assert (await edge.http.post(f"/dead-letters/{waits}/redrive")).status_code == 202
    again = TaskChanged(
        task_id=task_id, job_id=job_id, number=0, round=1, state=TaskState.PLANNED, service="planner", at=BEGAN
    )
    async with edge.database.transaction() as tx:
        await view_tasks(tx, [incoming(again)])
        assert await store.claim_due(tx, 10) == []
    assert await listed(edge.http, state="redriven") == [waits]


async def test_nothing_of_a_cancelled_job_is_redriven(edge: Served) -> None:
    job_id = new_id()
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.CANCELLED, reason="", counts=JobCounts(failed=1), at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(accepted), incoming(ended)])
    [letter_id] = await keep(edge.database, letter_of_task(job_id, new_id()))
    answer = await edge.http.post(f"/dead-letters/{letter_id}/redrive")
    assert (answer.status_code, answer.json()["detail"]) == (409, "its job is cancelled")


async def test_who_follows_a_redriven_job_does_not_see_its_earlier_end_as_the_last_word(edge: Served) -> None:
    job_id, counts = new_id(), JobCounts(planned=1, failed=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.FAILED, reason="r", counts=counts, at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(accepted), incoming(ended)])
    assert (await edge.http.get(f"/jobs/{job_id}/events")).text.count("event: ") == 2
    assert (await edge.http.post(f"/jobs/{job_id}/redrive")).status_code == 202
    seen = b""
    async with edge.http.stream("GET", f"/jobs/{job_id}/events") as answer:
        async for chunk in answer.aiter_bytes():
            seen += chunk
            if b"job.failed" in seen and b"job.completed" not in seen:
                await _go_on(edge.database, job_id)
    assert seen.count(b"event: job.progressed") == 1
    assert seen.count(b"event: job.completed") == 1


async def _go_on(database: Database, job_id: UUID) -> None:
    at, counts = BEGAN + timedelta(seconds=1), JobCounts(planned=1, completed=1)
    running = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(planned=1), at=at)
    ended = JobEnded(job_id=job_id, state=JobState.COMPLETED, reason="", counts=counts, at=at + timedelta(seconds=1))
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(running)])
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(ended)])


async def test_a_crash_before_the_commit_sends_the_same_once_more(
    topics: Place, payloads: Path, reader_for: ReaderFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await reader_for("jobs.requested")
    runtime: Runtime[Any] = open_runtime("callback-gateway", topics.settings(Settings, payloads))
    await runtime.database.open()
    await runtime.producer.open()
    redrive = Redrive(runtime)
    await keep(runtime.database, *(letter_of(topics.prefix) for _ in range(20)))
    async with runtime.database.transaction() as tx:
        assert (
            await store.schedule_redrives(tx, store.Selection(LetterFilter(), topics.prefix), rate=1000, force=False)
            == 20
        )

    async def crash(*_: object) -> None:
        raise Unavailable("the process died")

    async def all_due() -> bool:
        async with runtime.database.transaction() as tx:
            return len(await store.claim_due(tx, 100)) == 20

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


def open_letters() -> dict[tuple[str, str], float]:
    """What the metric says, by service and reason."""
    [family] = LETTERS_OPEN.collect()
    return {(one.labels["service"], one.labels["reason"]): one.value for one in family.samples}


async def test_open_letters_are_counted_by_service_and_reason(edge: Served) -> None:
    count = CountOpen(edge.database, most_reasons=3)
    ids = await keep(
        edge.database,
        letter_of(),
        letter_of(),
        letter_of(reason="empty"),
        letter_of_task(new_id(), new_id(), reason="attempts_exhausted"),
    )
    await count.step()
    expected = {("planner", "bug"): 2, ("planner", "empty"): 1, ("fetcher", "attempts_exhausted"): 1}
    assert open_letters() == expected
    for letter_id, verb in ((ids[0], "redrive"), (ids[2], "discard")):
        answer = await edge.http.post(
            f"/dead-letters/{letter_id}/{verb}", json={"reason": "x"} if verb == "discard" else None
        )
        assert answer.is_success, answer.text
    await count.step()
    assert open_letters() == {("planner", "bug"): 1, ("fetcher", "attempts_exhausted"): 1}
    await keep(edge.database, *(letter_of(reason=f"refused_{number}") for number in range(500, 505)), letter_of())
    await count.step()
    found = open_letters()
    assert sum(found.values()) == 8
    assert len(found) == 4
    assert (found["planner", "bug"], found["other", "other"]) == (2, 4)
