"""Records of a time, sent again: consumers take them for the same events, sent on purpose."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest
from aiokafka import ConsumerRecord
from typer.testing import CliRunner

from shared.client.cli import app
from shared.client.replay import Wanted, replay
from shared.errors import Invalid
from shared.events.catalogue import JOBS_CONTROL, JOBS_REQUESTED
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_ID, CE_TYPE, DELIVERY, delivery_of_replay
from shared.events.jobs import JobControl, JobRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place

EVER = datetime(2020, 1, 1, tzinfo=UTC)


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def refuse(event: JobControl) -> NoReturn:
    raise ValueError("not now")


def jobs(count: int) -> list[Outgoing]:
    return [
        outgoing(JOBS_REQUESTED, f"k{number % 3}", JobRequested.model_validate({"url": f"https://a.example/{number}"}))
        for number in range(count)
    ]


async def test_records_come_again_as_a_later_delivery(topics: Place, producer: Producer, reader_for: ReaderFor) -> None:
    reader = await reader_for("jobs.requested")
    before = jobs(30)
    await producer.send(before)
    await eventually(lambda: len(reader.records) == 30, 20)
    wanted = Wanted("jobs.requested", "jobs.requested", EVER, later())
    assert (await replay(topics.kafka, topics.prefix, wanted, dry_run=True)).records == 30
    done = await replay(topics.kafka, topics.prefix, wanted)
    assert (done.records, done.read) == (30, 30)
    await eventually(lambda: len(reader.records) == 60, 20)
    first, again = _by_id(reader.records, b""), _by_id(reader.records, str(delivery_of_replay(1)).encode())
    assert first.keys() == again.keys() == {dict(one.headers)[CE_ID] for one in before}
    for event_id, record in again.items():
        assert (record.key, record.value) == (first[event_id].key, first[event_id].value)
        assert dict(record.headers)[CE_TYPE] == b"job.requested"


async def test_a_replayed_event_is_handled_again_whatever_retries_it_had(
    topics: Place, producer: Producer, reader_for: ReaderFor, database_for: DatabaseFor
) -> None:
    """What fails in a replay is tried again; a replay that is done once more changes nothing."""
    job, retries, seen = new_id(), await reader_for("planner.retry"), Seen(fails=refuse)
    async with shell(seen, topics, await database_for("planner"), producer):
        await producer.send([order(job)])
        [retry] = await eventually(lambda: retries.values, 30)
        seen.fails = lambda event: None
        await producer.send([order(job, **{DELIVERY: b"1"})])
        await eventually(lambda: seen.jobs == [job], 30)
        began = RetryRequested.model_validate(retry).original.timestamp
        first = Wanted("jobs.control", "jobs.control", began, began + timedelta(milliseconds=1))
        for _ in range(2):
            await replay(topics.kafka, topics.prefix, first)
        await eventually(lambda: seen.jobs == [job, job], 30)
        seen.fails = refuse
        await replay(topics.kafka, topics.prefix, replace(first, nth=2))
        await eventually(lambda: len(retries.values) == 2, 30)
    assert retries.values[1]["delivery"] == delivery_of_replay(2) + 1
    assert seen.jobs == [job, job]


async def test_a_replay_sends_only_records_of_the_time_key_and_type_that_are_asked_for(
    topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    reader = await reader_for("notifications")
    source = await reader_for("jobs.requested")
    order = outgoing(JOBS_CONTROL, "k1", JobControl(job_id=new_id(), action="cancel"))
    other = Outgoing("jobs.requested", "k1", order.value, order.headers)
    await producer.send([*jobs(6), other])
    await eventually(lambda: len(source.records) == 7, 20)
    times = sorted(record.timestamp for record in source.records)
    since = datetime.fromtimestamp(times[0] / 1000, UTC)
    until = datetime.fromtimestamp((times[-1] + 1) / 1000, UTC)
    for wanted, count in (
        (Wanted("jobs.requested", "notifications", since, until), 7),
        (Wanted("jobs.requested", "notifications", since, until, key="k1"), 3),
        (Wanted("jobs.requested", "notifications", since, until, key="k1", type="job.control"), 1),
        (Wanted("jobs.requested", "notifications", EVER, since), 0),
        (Wanted("jobs.requested", "notifications", until, later()), 0),
    ):
        assert (await replay(topics.kafka, topics.prefix, wanted, dry_run=True)).records == count, wanted
    last = Wanted(f"{topics.prefix}.jobs.requested", "notifications", since, until, type="job.control", nth=3)
    await replay(topics.kafka, topics.prefix, last, rate=100)
    [record] = await eventually(lambda: reader.records, 20)
    assert dict(record.headers)[DELIVERY] == str(delivery_of_replay(3)).encode()
    with pytest.raises(Invalid):
        await replay(topics.kafka, topics.prefix, Wanted("nothing", "notifications", since, until))


async def test_the_replay_command_reports_how_many_records_it_read_and_sent(
    topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    reader = await reader_for("notifications")
    await producer.send(jobs(5))
    options = ["--from", "2020-01-01T00:00:00Z", "--to", later().isoformat(), "--kafka", topics.kafka]
    arguments = ["replay", "jobs.requested", "--to-topic", "notifications", "--prefix", topics.prefix, *options]
    told = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--dry-run"])
    assert told.stdout == "would be replayed: 5 of 5 records read\n"
    told = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert told.stdout == "replayed: 5 of 5 records read\n"
    await eventually(lambda: len(reader.records) == 5, 20)
    wrong = await asyncio.to_thread(CliRunner().invoke, app, ["replay", "x", "--to-topic", "y", "--from", "yesterday"])
    assert wrong.exit_code == 2


def _by_id(records: Sequence[ConsumerRecord], number: bytes) -> dict[bytes, ConsumerRecord]:
    headers = [(dict(record.headers), record) for record in records]
    return {one[CE_ID]: record for one, record in headers if one.get(DELIVERY, b"") == number}
