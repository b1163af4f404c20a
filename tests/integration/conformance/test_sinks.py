"""One suite over every sink: what reaches it, how often, and how exactly."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import pytest

from services.processor.model import Page
from services.processor.process.decide import take_apart
from services.processor.sinks import keys, postgres, topic
from services.processor.sinks.written import Written
from shared.database.pool import Database, Transaction
from shared.ids import new_id
from shared.specification.request import Records
from shared.specification.source import PostgresSink, TopicSink
from tests.conftest import DatabaseFor
from tests.support.pages import TABLE, TOPIC, page, stored_payload

Sinks = tuple[PostgresSink | TopicSink, ...]
COUNTED: list[Sinks] = [(TABLE,), (TOPIC,), ()]

Found = dict[tuple[str, UUID, str], Any]
"""By source, job and key: the record."""


class Sink(Protocol):
    """What the suite needs of a sink."""

    kinds: Sinks

    async def write(self, pages: Sequence[Page]) -> list[Found]:
        """Write the pages in one transaction; gives what arrived of them, one by one."""
        ...


class Table:
    """The sink into Postgres."""

    kinds: Sinks = (TABLE,)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, pages: Sequence[Page]) -> list[Found]:
        async with self._database.transaction() as tx:
            await postgres.write(tx, pages)
            rows = await tx.fetch(
                "SELECT source, job_id, key, record::text AS record FROM records.records WHERE task_id = ANY ($1)",
                [page.stored.task_id for page in pages],
            )
        return [{(row["source"], row["job_id"], row["key"]): json.loads(row["record"])} for row in rows]


async def _new(tx: Transaction, pages: Sequence[Page]) -> Written:
    return await postgres.write(tx, pages) | await keys.write(tx, pages)


class Topic:
    """The sink into a topic; `beside` a table or alone."""

    def __init__(self, database: Database, *, beside: bool) -> None:
        self._database = database
        self.kinds: Sinks = (TABLE, TOPIC) if beside else (TOPIC,)

    async def write(self, pages: Sequence[Page]) -> list[Found]:
        async with self._database.transaction() as tx:
            written = topic.write(pages, await _new(tx, pages))
        messages = [message for told in written.values() for message in told]
        events = [(message.topic, json.loads(message.value or b"")) for message in messages]
        return [
            {(where.removeprefix("records."), UUID(event["job_id"]), event["key"]): event["record"]}
            for where, event in events
        ]


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("processor")


@pytest.fixture(params=["table", "topic", "topic beside a table"])
def sink(request: pytest.FixtureRequest, database: Database) -> Sink:
    match request.param:
        case "table":
            return Table(database)
        case "topic":
            return Topic(database, beside=False)
        case _:
            return Topic(database, beside=True)


async def test_every_record_arrives_as_it_is(sink: Sink) -> None:
    body = (
        b'[{"id": 1, "whole": 123456789012345678901234567890, "negative": -9999999999999999999},'
        b' {"id": 2, "text": "\\ud83d\\ude00 \\u00e9 \\\\u0000 \\" \\\\", "none": null, "fraction": 0.1},'
        b' {"id": 3, "deep": ' + b"[" * 300 + b"]" * 300 + b'}, {"id": "' + "\u20ac".encode() * 300 + b'"}]'
    )
    one = take_apart(stored_payload(sinks=sink.kinds), body)
    arrived = await sink.write([one])
    records = [record for found in arrived for record in found.values()]
    assert sorted(records, key=lambda record: str(record["id"])) == sorted(json.loads(body), key=lambda r: str(r["id"]))


async def test_records_that_are_no_objects_arrive(sink: Sink) -> None:
    body = b'[1, "two", [3], null, true]'
    one = take_apart(stored_payload(sinks=sink.kinds, records=Records()), body)
    arrived = [record for found in await sink.write([one]) for record in found.values()]
    assert sorted(arrived, key=str) == sorted(json.loads(body), key=str)


async def test_of_a_key_that_comes_again_the_first_counts(sink: Sink) -> None:
    job = new_id()
    pages = [
        page([{"id": 1, "n": number}, {"id": 1, "n": "again"}], job_id=job, sinks=sink.kinds) for number in range(3)
    ]
    assert await sink.write(pages) == [{("acme-orders", job, "1"): {"id": 1, "n": 0}}]


async def test_what_a_job_wrote_before_is_not_written_again(sink: Sink) -> None:
    job = new_id()
    first = page([{"id": 1, "n": "first"}], job_id=job, sinks=sink.kinds)
    second = page([{"id": 1, "n": "second"}, {"id": 2, "n": "second"}], job_id=job, sinks=sink.kinds)
    await sink.write([first])
    assert await sink.write([second]) == [{("acme-orders", job, "2"): {"id": 2, "n": "second"}}]


async def test_a_page_that_is_written_again_brings_the_same(sink: Sink) -> None:
    job = new_id()
    pages = [page([{"id": 1, "n": number}, {"id": number + 2}], job_id=job, sinks=sink.kinds) for number in range(3)]
    first = await sink.write(pages)
    assert len(first) == 4
    assert sorted(await sink.write(pages[::-1]), key=str) == sorted(first, key=str)


async def test_another_job_writes_its_own(sink: Sink) -> None:
    for number in range(2):
        job = new_id()
        assert await sink.write([page([{"id": 1, "n": number}], job_id=job, sinks=sink.kinds)]) == [
            {("acme-orders", job, "1"): {"id": 1, "n": number}}
        ]


async def test_sources_do_not_touch_each_other(sink: Sink) -> None:
    pages = [page([{"id": 1}], source=source, sinks=sink.kinds) for source in ("acme", "bolt")]
    arrived = [place[0] for found in await sink.write(pages) for place in found]
    assert sorted(arrived) == ["acme", "bolt"]


async def test_an_empty_page_is_nothing(sink: Sink) -> None:
    assert await sink.write([page([], sinks=sink.kinds)]) == []


async def _write(database: Database, pages: Sequence[Page]) -> Written:
    async with database.transaction() as tx:
        return await _new(tx, pages)


@pytest.mark.parametrize("sinks", COUNTED)
async def test_jobs_of_one_source_at_the_same_time_count_their_own_records(database: Database, sinks: Sinks) -> None:
    pages = [page([{"id": 1}, {"id": 2}], sinks=sinks) for _ in range(3)]
    written = await _write(database, pages)
    assert [written.counts[one.stored.task_id] for one in pages] == [2, 2, 2]


@pytest.mark.parametrize("sinks", COUNTED)
async def test_what_is_new_is_counted_as_if_pages_came_one_by_one(database: Database, sinks: Sinks) -> None:
    chance = random.Random(7)
    jobs = [new_id() for _ in range(3)]
    seen: set[tuple[UUID, str, int]] = set()
    for _ in range(25):
        pages, expected = [], []
        for _ in range(chance.randint(0, 6)):
            number = chance.randrange(3)
            keys = [chance.randrange(60) for _ in range(chance.randint(0, 12))]
            records = [{"id": key} for key in keys]
            pages.append(page(records, job_id=jobs[number], source=f"source-{number}", sinks=sinks))
            new = {(jobs[number], f"source-{number}", key) for key in keys} - seen
            seen |= new
            expected.append(len(new))
        written = await _write(database, pages)
        assert [written.counts[one.stored.task_id] for one in pages] == expected


@pytest.mark.parametrize("sinks", COUNTED)
async def test_two_jobs_that_overlap_count_what_is_new_in_each(database: Database, sinks: Sinks) -> None:
    """Now and then a page comes once more, because it was redriven."""
    chance = random.Random(11)
    jobs = [new_id(), new_id()]
    seen: set[tuple[UUID, int]] = set()
    before: list[tuple[Page, int]] = []
    for _ in range(25):
        pages, expected = [], []
        for one, count in chance.sample(before, min(2, len(before))):
            pages.append(one)
            expected.append(count)
        for _ in range(chance.randint(1, 4)):
            job, keys = chance.choice(jobs), [chance.randrange(40) for _ in range(8)]
            pages.append(page([{"id": key} for key in keys], job_id=job, sinks=sinks))
            new = {(job, key) for key in keys} - seen
            seen |= new
            expected.append(len(new))
        written = await _write(database, pages)
        assert [written.counts[one.stored.task_id] for one in pages] == expected
        known = {one.stored.task_id for one, _ in before}
        before += [(one, n) for one, n in zip(pages, expected, strict=True) if one.stored.task_id not in known]


@pytest.mark.parametrize("first", ["the page", "the other job"])
async def test_a_page_that_is_redriven_after_another_job_of_its_source_brings_what_it_brought(
    database: Database, first: str
) -> None:
    """It was written, but its topic did not take it. Keys that another page of its job has brought are not its own."""
    sinks = (TABLE, TOPIC)
    job = new_id()
    neighbour = page([{"id": 1}], job_id=job, sinks=sinks)
    redriven = page([{"id": key} for key in range(1, 5)], job_id=job, sinks=sinks)
    other = page([{"id": key} for key in range(10)], sinks=sinks)
    await _write(database, [neighbour])
    for one in (redriven, other) if first == "the page" else (other, redriven):
        await _write(database, [one])
    written = await _write(database, [redriven])
    assert written.counts[redriven.stored.task_id] == 3
    assert {record.key for record in written.records_of(redriven)} == {"2", "3", "4"}


async def test_a_row_has_the_correlation_id_of_the_last_job_that_brought_it(database: Database) -> None:
    correlation_id = new_id()
    await _write(database, [page([{"id": 1}, {"id": 2}], correlation_id=correlation_id)])
    await _write(database, [page([{"id": 2}, {"id": 3}])])
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT key, correlation_id FROM records.records ORDER BY key")
    assert [tuple(row) for row in rows] == [("1", correlation_id), ("2", None), ("3", None)]


async def test_what_was_fetched_before_does_not_take_the_place_of_what_was_fetched_after(database: Database) -> None:
    now = datetime.now(UTC)
    late = page([{"id": 1, "v": "old"}, {"id": 2, "v": "old"}], fetched_at=now - timedelta(days=1))
    written = await _write(database, [page([{"id": 1, "v": "new"}], fetched_at=now), late])
    assert written.counts[late.stored.task_id] == 2
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT key, record ->> 'v' AS v, fetched_at FROM records.records ORDER BY key")
    assert [tuple(row) for row in rows] == [("1", "new", now), ("2", "old", now - timedelta(days=1))]
    await _write(database, [page([{"id": 1, "v": "newer"}])])
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT record ->> 'v' FROM records.records WHERE key = '1'") == "newer"


@pytest.mark.parametrize("sinks", COUNTED)
async def test_a_page_written_twice_counts_the_same(database: Database, sinks: Sinks) -> None:
    one = page([{"id": key} for key in range(5)], sinks=sinks)
    assert [(await _write(database, [one])).counts[one.stored.task_id] for _ in range(2)] == [5, 5]


@pytest.mark.parametrize("name", ["orders", "order", "select", "a" * 63])
async def test_a_table_is_made_when_it_is_needed_even_after_it_was_dropped(database: Database, name: str) -> None:
    sinks = (PostgresSink(type="postgres", table=name), TABLE)
    for _ in range(2):
        one = page([{"id": 1}], sinks=sinks)
        assert (await _write(database, [one])).counts[one.stored.task_id] == 1
        async with database.transaction() as tx:
            for table in (name, "records"):
                assert await tx.fetchval(f'SELECT count(*) FROM records."{table}"') == 1
            await tx.execute(f'DROP TABLE records."{name}", records.records')


@pytest.mark.parametrize("sinks", COUNTED)
async def test_very_many_records_go_in_several_statements(database: Database, sinks: Sinks) -> None:
    pages = [page([{"id": number * 10_000 + key} for key in range(9000)], sinks=sinks) for number in range(3)]
    written = await _write(database, pages)
    assert [written.counts[one.stored.task_id] for one in pages] == [9000] * 3
