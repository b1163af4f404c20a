"""jobs.requested → a job, its first tasks released; rejections that name every mistake."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from services.planner.accept.decide import Unknown, admit
from services.planner.accept.handler import accept_jobs
from services.planner.accept.store import find_configuration
from services.planner.app import build
from services.planner.configure.handler import vendors
from services.planner.room import TooMuchAtOnce
from services.planner.settings import Settings
from shared.events.catalogue import JOBS_EVENTS, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.jobs import JobRequested
from shared.ids import new_id
from shared.messaging.handler import Again, Outgoing, Refuse, outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.planner.jobs import ACME, asked_for, count_vendors, handled, incoming, requested
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

POLL = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 10, "total": "body.total"}}


async def test_a_job_is_planned_and_its_first_page_released(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    fetches, jobs = await reader_for("fetch.requested"), await reader_for("jobs.events")
    database = await database_for("planner")
    async with running("planner", Settings, build, topics, payloads):
        await producer.send([outgoing(VENDORS, "acme", VendorConfigured(vendor=ACME))])
        await eventually(lambda: count_vendors(database), 30)
        job_id = new_id()
        await producer.send([requested({"vendor": "acme", "poll": POLL}, job_id)])
        [call] = await eventually(lambda: fetches.of_type("fetch.requested"), within_seconds=30)
        assert call["job_id"] == str(job_id)
        assert call["call"]["query"] == {"offset": "0", "limit": "10"}
        [accepted] = await eventually(lambda: jobs.of_type("job.accepted"))
        assert accepted["vendor"] == "acme"


async def test_a_payload_reaches_its_call_as_it_was_given(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    fetches = await reader_for("fetch.requested")
    database = await database_for("planner")
    payload = {"big": 10**30 + 1, "half": 0.5, "text": "\\ é", "no": None, "sku": "{parameters.sku}"}
    request = {"method": "POST", "path": "/x", "json": payload}
    async with running("planner", Settings, build, topics, payloads):
        await producer.send([outgoing(VENDORS, "acme", VendorConfigured(vendor=ACME))])
        await eventually(lambda: count_vendors(database), 30)
        document = {"vendor": "acme", "request": request, "parameters": {"sku": -(2**64)}}
        await producer.send([requested(document, new_id())])
        [record] = await eventually(lambda: fetches.records, within_seconds=30)
        assert json.loads(record.value or b"")["call"]["body"] == {**payload, "sku": -(2**64)}


async def test_bare_json_from_any_tool_starts_a_job(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    fetches = await reader_for("fetch.requested")
    async with running("planner", Settings, build, topics, payloads):
        value = orjson.dumps({"url": "https://api.example/items"})
        await producer.send([Outgoing("jobs.requested", "", value, ())])
        [call] = await eventually(lambda: fetches.of_type("fetch.requested"), within_seconds=30)
        assert call["vendor"] == "url:api.example"
        assert call["facts"]["detect"] is True


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_job_is_read_in_whatever_codec_its_producer_compresses(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, codec: str
) -> None:
    fetches = await reader_for("fetch.requested")
    # With blanks, so that it is shorter when it is compressed: else it is sent as it is.
    value = orjson.dumps({"url": "https://api.example/items"}) + b" " * 5000
    async with (
        running("planner", Settings, build, topics, payloads),
        AIOKafkaProducer(bootstrap_servers=topics.kafka, compression_type=codec) as compressed,
    ):
        await compressed.send_and_wait(f"{topics.prefix}.jobs.requested", value)
        [call] = await eventually(lambda: fetches.of_type("fetch.requested"), within_seconds=30)
        assert call["vendor"] == "url:api.example"


async def test_the_same_job_asked_for_twice_is_planned_once(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    jobs = await reader_for("jobs.events")
    async with running("planner", Settings, build, topics, payloads):
        first, last = new_id(), new_id()
        document = {"url": "https://api.example/items"}
        marker = replace(requested(document, last), key=str(first))
        await producer.send([requested(document, first), requested(document, first), marker])

        def accepted(job_id: UUID) -> int:
            return len([event for event in jobs.of_type("job.accepted") if event["job_id"] == str(job_id)])

        await eventually(lambda: accepted(first) and accepted(last), 30)
        assert accepted(first) == 1


async def test_all_mistakes_are_told_and_the_message_is_kept(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    async with running("planner", Settings, build, topics, payloads):
        job_id = new_id()
        document = {"vendor": "acme", "poll": {"pages": {"style": "offset", "size": 0}}, "prioritty": "high"}
        await producer.send([requested(document, job_id), Outgoing("jobs.requested", "x", b"{not json", ())])
        [rejected] = await eventually(lambda: jobs.of_type("job.rejected"), within_seconds=30)
        assert [mistake["pointer"] for mistake in rejected["mistakes"]] == ["/poll/pages/size", "/prioritty"]
        assert "did you mean priority" in rejected["mistakes"][1]["detail"]
        await eventually(lambda: len(dead.values) == 2)
        assert {letter["reason"] for letter in dead.values} == {"schema_invalid", "undecodable"}


async def test_what_could_never_be_called_is_rejected_at_once(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    private = "expected a public address; private ones need a vendor that allows them"
    documents: dict[str, dict[str, Any]] = {
        "/url": {"url": "http://127.0.0.1/x"},
        "/deliver": {"deliver": "http://127.1/x", "event": {}},
        "/notify/0/webhook": {"url": "https://a.example", "notify": [{"webhook": "http://[::1]/x"}]},
        "/pages/size": {"url": "https://a.example", "pages": {"style": "offset", "size": True}},
    }
    async with running("planner", Settings, build, topics, payloads):
        await producer.send([requested(document, new_id()) for document in documents.values()])
        await eventually(lambda: len(jobs.of_type("job.rejected")) == 4, 30)
        mistakes = [mistake for one in jobs.of_type("job.rejected") for mistake in one["mistakes"]]
        told = {mistake["pointer"]: mistake["detail"] for mistake in mistakes}
        assert told == {**dict.fromkeys(documents, private), "/pages/size": "expected a whole number, got true"}
        await eventually(lambda: len(dead.values) == 4)
        assert {letter["reason"] for letter in dead.values} == {"schema_invalid"}


async def test_jobs_with_very_much_to_call_are_written_in_batches_that_can_be_held(database_for: DatabaseFor) -> None:
    """No statement has more than 8 MiB of calls. Small ones are written together."""
    database = await database_for("planner")
    submit = {"path": "/jobs", "json": {"to": "{callback.url}", "for": "{input.t}", "text": "x" * 400_000}}
    invoke = {"submit": submit, "deadline": "1h"}
    large = {"vendor": "acme", "invoke": invoke, "input": [{"t": number} for number in range(50)]}
    small = {"url": "https://api.example/items"}
    await handled(database, vendors.handle, VendorConfigured(vendor=ACME))
    with pytest.raises(TooMuchAtOnce):
        await handled(database, accept_jobs, *map(JobRequested.model_validate, [large] * 3))
    batch = map(JobRequested.model_validate, [large, large, *[small] * 10])
    told = await handled(database, accept_jobs, *batch)
    assert len([one for one in told if one.topic == JOBS_EVENTS.name and is_accepted(one)]) == 12
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT count(*) AS tasks FROM tasks GROUP BY cmin")
    assert (sum(row["tasks"] for row in rows), len(rows)) == (110, 5)


REPEATED = [
    {"source": "orders"},
    {"vendor": "acme", "poll": {"pages": {"style": "offset", "size": 0}}},
    {"vendor": "gone", "poll": {}},
]


@pytest.mark.parametrize("document", REPEATED)
async def test_a_job_that_is_asked_for_again_is_never_rejected(
    database_for: DatabaseFor, document: dict[str, Any]
) -> None:
    """Its topic may be replayed after its source was removed or changed; other requests are rejected as ever."""
    database = await database_for("planner")
    job_id = await asked_for(database, {"url": "https://api.example/items"})
    again, other = [JobRequested.model_validate({**document, "id": str(id)}) for id in (job_id, new_id())]
    async with database.transaction() as tx:
        results = await accept_jobs(tx, [replace(incoming(event), delivery=20) for event in (again, other)])
    rejected, letter = results
    assert isinstance(rejected, Outgoing)
    assert rejected.key == str(other.id)
    assert isinstance(letter, Refuse)
    assert letter.job_id == other.id


async def test_requests_are_checked_beside_the_event_loop(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with many inputs takes seconds, in which everything else goes on."""
    database = await database_for("planner")
    threads = set[int]()

    def noted(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        return admit(*arguments)

    monkeypatch.setattr("services.planner.accept.handler.admit", noted)
    await handled(database, accept_jobs, JobRequested.model_validate({"url": "https://api.example/items"}))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_requests_that_take_long_to_check_are_not_all_checked_in_one_transaction(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is idle meanwhile, and Postgres would end it each time. What is refused takes its time, too."""
    database = await database_for("planner")
    seconds = 0.0

    def slow(*arguments: Any) -> Any:
        nonlocal seconds
        seconds += 3.0
        return admit(*arguments)

    monkeypatch.setattr("services.planner.accept.handler.admit", slow)
    monkeypatch.setattr("services.planner.accept.handler.monotonic", lambda: seconds)
    mistaken = [JobRequested.model_validate({"url": "nowhere", "id": str(new_id())}) for _ in range(4)]
    with pytest.raises(TooMuchAtOnce):
        await handled(database, accept_jobs, *mistaken)
    assert seconds == 6.0
    rejected = await handled(database, accept_jobs, *mistaken[:2])
    assert [one.key for one in rejected] == [str(one.id) for one in mistaken[:2]]


async def test_configuration_that_cannot_be_read_is_waited_for_as_if_it_were_not_there(
    database_for: DatabaseFor,
) -> None:
    """An older release wrote it down. It must not look like a defect, of which too many stop everything."""
    database = await database_for("planner")
    invoke = {"submit": {"path": "/jobs", "json": {"to": "{callback.url}"}}, "deadline": "1h"}
    documents: list[dict[str, Any]] = [{"source": "old"}, {"vendor": "old", "invoke": invoke, "input": [{}]}]
    async with database.transaction() as tx:
        for table in ("sources", "vendors"):
            await tx.execute(f"INSERT INTO {table} (id, document) VALUES ('old', '{{}}')")
        results = await accept_jobs(tx, [incoming(JobRequested.model_validate(one)) for one in documents])
        assert [(type(one), one.reason) for one in results] == [(Again, "config_missing")] * 2  # type: ignore[union-attr]
        known = await find_configuration(tx, [("old", "old")])
    for document, kind in zip(documents, ("source", "vendor"), strict=True):
        found = admit(new_id(), document, known)
        assert isinstance(found, Unknown)
        assert f"this release cannot read the {kind} old" in found.problem.detail


def is_accepted(one: Outgoing) -> bool:
    return bool(orjson.loads(one.value or b"")["type"] == "job.accepted")
