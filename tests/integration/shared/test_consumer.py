"""The shell's protocol on a real broker and a real Postgres: each default that would lose data has a test here."""

import re
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from faststream import AckPolicy

from shared.database.pool import Database, Transaction
from shared.errors import Rejected, Unavailable
from shared.events.catalogue import JOBS_CONTROL, JOBS_EVENTS
from shared.events.envelope import DELIVERY, RECIPIENT, Incoming
from shared.events.jobs import JobControl
from shared.events.topic import Topic
from shared.ids import derived_id, new_id
from shared.messaging import shell as messaging
from shared.messaging.handler import Consumer, Outgoing
from shared.messaging.producer import Producer
from shared.messaging.shell import Limits, Shell
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.topics import TopicsMissing, check_topics
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, answer, committed, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_every_event_is_handled_once_and_answered_once(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    seen, answers = Seen(), await reader_for("jobs.events")
    jobs = [new_id() for _ in range(500)]
    async with shell(seen, topics, database, producer):
        await producer.send([order(job) for job in jobs])
        await producer.send([order(job) for job in jobs])
        await eventually(lambda: len(answers.records) >= 500, 30)
        await eventually(lambda: _reaches(topics, 1000), 30)
    assert sorted(seen.jobs) == sorted(jobs)
    assert len({dict(record.headers)["ce_id"] for record in answers.records}) == 500


async def test_a_poisonous_record_goes_alone_whatever_is_wrong_with_it(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    seen, dead = Seen(), await reader_for("planner.dead")
    jobs = [new_id() for _ in range(20)]
    bad = [b"{", b"[]", b'{"job_id": 5}', b"\xff\xfe{}", b'\xef\xbb\xbf{"job_id": "x"}', b"[" * 10_000]
    values = [Outgoing("jobs.control", str(index), value, ()) for index, value in enumerate(bad)]
    values.append(Outgoing("jobs.control", "empty", None, ()))
    async with shell(seen, topics, database, producer):
        mixed = [
            one for pair in zip([order(job) for job in jobs], [*values, *values, *values], strict=False) for one in pair
        ]
        await producer.send(mixed)
        await eventually(lambda: sorted(seen.jobs) == sorted(jobs), 30)
        await eventually(lambda: len(dead.values) == 20, 30)
    assert {letter["reason"] for letter in dead.values} == {"undecodable", "schema_invalid", "empty"}


async def test_headers_that_cannot_be_decoded_lose_nothing(
    topics: Place, database: Database, producer: Producer
) -> None:
    seen, jobs = Seen(), [new_id() for _ in range(10)]
    hostile: tuple[tuple[str, Any], ...] = (("a", b"\xff\xfe"), ("b", None), ("reply_to", b"sluice.evil"), ("b", b"x"))
    async with shell(seen, topics, database, producer):
        for job in jobs:
            made = order(job)
            await producer.send([Outgoing(made.topic, made.key, made.value, (*made.headers, *hostile))])
        await eventually(lambda: sorted(seen.jobs) == sorted(jobs), 30)


async def test_one_event_that_always_fails_is_found_and_its_neighbours_pass(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    jobs = [new_id() for _ in range(64)]

    def fails(event: JobControl) -> None:
        if event.job_id == jobs[33]:
            raise ValueError("cannot stand this one")

    seen, retries = Seen(fails=fails), await reader_for("planner.retry")
    async with shell(seen, topics, database, producer):
        await producer.send([order(job) for job in jobs])
        await eventually(lambda: len(seen.jobs) == 63, 30)
        [retry] = await eventually(lambda: retries.values, 30)
    assert retry["event_id"] == str(derived_id("order", jobs[33]))
    assert (retry["delivery"], retry["reason"]) == (1, "bug")


async def test_after_its_deliveries_an_event_is_dead_with_its_original_bytes(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    def fails(event: JobControl) -> None:
        raise ValueError("s3cret")

    dead, job = await reader_for("planner.dead"), new_id()
    async with shell(Seen(fails=fails), topics, database, producer):
        await producer.send([order(job, **{DELIVERY: b"4"})])
        [letter] = await eventually(lambda: dead.values, 30)
    assert letter["reason"] == "bug"
    assert letter["job_id"] == str(job)
    assert re.fullmatch(r"ValueError in fails \(test_consumer\.py:\d+\), traceback [0-9a-f]{12}", letter["error"])


async def test_what_is_rejected_is_dead_at_once(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    def fails(event: JobControl) -> None:
        raise Rejected("too_strange", "no one can read this")

    dead = await reader_for("planner.dead")
    async with shell(Seen(fails=fails), topics, database, producer):
        await producer.send([order(new_id())])
        [letter] = await eventually(lambda: dead.values, 30)
    assert (letter["reason"], letter["error"]) == ("too_strange", "no one can read this")


@pytest.mark.parametrize("by", ["handler", "decoder"])
async def test_a_run_of_bad_records_stops_the_consumer_and_loses_none(
    topics: Place,
    database: Database,
    producer: Producer,
    reader_for: ReaderFor,
    by: str,
) -> None:
    """A deployment that cannot handle anything must not move a topic into the dead letters. What it gave up before it
    stood still comes again, and the rest is where it was."""
    retries = await reader_for("planner.retry")

    def fails(event: JobControl) -> None:
        raise ValueError("never")

    read_as = JOBS_CONTROL if by == "handler" else JOBS_EVENTS
    inner: Topic[Any] = replace(read_as, name="jobs.control", public=False)
    jobs, seen = [new_id() for _ in range(40)], Seen()
    consumer = Consumer("control", inner, Seen(fails=fails).handle)
    broken = Shell("planner", topics.prefix, consumer, database, producer, limits=Limits(circuit_run=5))
    subscriptions = Subscriptions(topics.kafka, [broken])
    await subscriptions.open()
    await producer.send([order(job) for job in jobs])
    await eventually(lambda: subscriptions.states()[0]["circuit_open"], 30)
    await subscriptions.close()
    assert await committed(topics) == 0

    def left() -> list[UUID]:
        put_off = {retry["event_id"] for retry in retries.values}
        assert len(put_off) <= 10
        return sorted(job for job in jobs if str(derived_id("order", job)) not in put_off)

    async with shell(seen, topics, database, producer):
        await eventually(lambda: _reaches(topics, 40), 30)
        await eventually(lambda: sorted(seen.jobs) == left(), 30)


async def test_infrastructure_that_is_away_costs_no_attempt_and_no_dead_letter(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    tries = 0

    def fails(event: JobControl) -> None:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise Unavailable("away")

    seen, dead, retries = Seen(fails=fails), await reader_for("planner.dead"), await reader_for("planner.retry")
    async with shell(seen, topics, database, producer):
        await producer.send([order(new_id())])
        await eventually(lambda: len(seen.jobs) == 1, 30)
    assert not dead.records
    assert not retries.records


async def test_messages_of_a_committed_batch_are_produced_even_if_the_process_died_before(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """Between the commit and the produce the broker is gone: the ledger's row answers on redelivery."""
    answers, job, seen = await reader_for("jobs.events"), new_id(), Seen()
    closed = Producer(topics.kafka, prefix=topics.prefix)
    async with shell(seen, topics, database, closed):
        await producer.send([order(job)])
        await eventually(lambda: seen.jobs == [job], 30)
    assert not answers.records
    async with shell(seen, topics, database, producer):
        await eventually(lambda: len(answers.records) == 1, 40)
    assert seen.jobs == [job]


async def test_a_retry_is_a_new_delivery_for_its_own_group_only(
    topics: Place, database: Database, producer: Producer
) -> None:
    seen, job, marker = Seen(), new_id(), new_id()
    own = f"{topics.prefix}.planner.control".encode()
    async with shell(seen, topics, database, producer):
        await producer.send([order(job)])
        await producer.send([order(job, **{DELIVERY: b"1", RECIPIENT: b"another.group"})])
        await producer.send([order(job, **{DELIVERY: b"1", RECIPIENT: own})])
        await producer.send([order(marker)])
        await eventually(lambda: marker in seen.jobs and seen.jobs.count(job) == 2, 30)


async def test_two_members_share_the_work_and_a_leaving_one_loses_nothing(
    topics: Place, database: Database, producer: Producer
) -> None:
    first, second, jobs = Seen(), Seen(), [new_id() for _ in range(2000)]
    async with shell(first, topics, database, producer):
        await producer.send([order(job) for job in jobs[:1000]])
        async with shell(second, topics, database, producer):
            await producer.send([order(job) for job in jobs[1000:]])
            await eventually(lambda: len(first.jobs) + len(second.jobs) >= 1500, 30)
        await eventually(lambda: len({*first.jobs, *second.jobs}) == 2000, 60)
    assert len(first.jobs) + len(second.jobs) == 2000


async def test_no_subscriber_has_a_default_that_loses_data(
    topics: Place, database: Database, producer: Producer
) -> None:
    async with shell(Seen(), topics, database, producer) as subscriptions:
        for subscriber in subscriptions.subscribers:
            assert subscriber.ack_policy is AckPolicy.MANUAL
            assert subscriber.group_id == f"{topics.prefix}.planner.control"
            assert subscriber._connection_args["auto_offset_reset"] == "earliest"
            assert subscriber._connection_args["enable_auto_commit"] is False
            assert subscriber._connection_args["isolation_level"] == "read_committed"
            assert subscriber._connection_args["rebalance_timeout_ms"] == 60_000
            assert subscriber.consumer is not None
            assert subscriber.consumer._client._metadata_max_age_ms == 30_000
            assert subscriber._no_reply


async def _reaches(place: Place, count: int) -> bool:
    return await committed(place) == count


async def test_an_event_that_is_given_up_reports_its_end(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    def fails(event: JobControl) -> None:
        raise Rejected("too_strange", "no")

    async def tell(tx: Transaction, incoming: Incoming[JobControl], reason: str) -> list[Outgoing]:
        return [answer(incoming.event.job_id)]

    told, job = await reader_for("jobs.events"), new_id()
    consumer = Consumer("control", JOBS_CONTROL, Seen(fails=fails).handle, on_given_up=tell)
    subscriptions = Subscriptions(topics.kafka, [Shell("planner", topics.prefix, consumer, database, producer)])
    await subscriptions.open()
    await producer.send([order(job)])
    [event] = await eventually(lambda: told.values, 30)
    await subscriptions.close()
    assert event["job_id"] == str(job)


async def test_patience_counts_seconds_and_not_attempts(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts that are slow themselves must not keep a rebalance waiting: four of them last longer than patience."""
    tries, went_back_after = 0, list[int]()
    monkeypatch.setattr(messaging, "monotonic", lambda: monotonic() + tries * 0.3)

    async def slow(batch: Sequence[Incoming[JobControl]]) -> Sequence[Incoming[JobControl]]:
        nonlocal tries
        tries += 1
        raise Unavailable("away")

    consumer = Consumer("control", JOBS_CONTROL, Seen().handle, prepare=slow)
    made = Shell("planner", topics.prefix, consumer, database, producer, limits=Limits(patience_seconds=1.0))
    seek_back = made.gate.seek_back

    def counted(records: Sequence[ConsumerRecord]) -> None:
        went_back_after.append(tries)
        seek_back(records)

    monkeypatch.setattr(made.gate, "seek_back", counted)
    subscriptions = Subscriptions(topics.kafka, [made])
    await subscriptions.open()
    await producer.send([order(new_id())])
    await eventually(lambda: went_back_after, 30)
    await subscriptions.close()
    assert went_back_after[0] <= 4


async def test_a_topic_that_is_missing_is_told_and_not_made(topics: Place) -> None:
    missing = replace(JOBS_CONTROL, name="jobs.missing")
    for _ in range(2):
        with pytest.raises(TopicsMissing, match=r"jobs\.missing"):
            await check_topics(topics.kafka, topics.prefix, [JOBS_CONTROL, missing])


async def test_the_producer_waits_for_all_replicas_and_is_not_idempotent(producer: Producer) -> None:
    """Decision 0003: the idempotent mode never gives up, and one refused message ends it."""
    assert producer._producer is not None
    assert producer._producer._sender._acks == -1
    assert producer._producer._txn_manager is None
