"""An event that failed is tried again as its next delivery, or given up; and never handled beside that."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from services.scheduler.model import Timer
from services.scheduler.timers.decide import timer_of_retry
from shared.database.pool import Database, Transaction
from shared.errors import RefusedByTarget, Rejected, SluiceError, Unavailable
from shared.events.catalogue import JOBS_CONTROL
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import CE_VERSION, Incoming, Record
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging import shell as messaging
from shared.messaging.decode import decode
from shared.messaging.handler import Consumer, Outgoing
from shared.messaging.producer import Producer
from shared.messaging.shell import Limits, Shell
from shared.messaging.subscriptions import Subscriptions
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, answer, committed, order, running, shell
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


class Halting(Producer):
    """Lets what it has to send through until a retry was among it; the next time it is away, once."""

    retried = halted = False

    async def send(self, messages: Sequence[Outgoing], *, within_seconds: float = 25) -> None:
        if self.retried and not self.halted:
            self.halted = True
            raise Unavailable("away")
        await super().send(messages, within_seconds=within_seconds)
        self.retried |= any(message.topic == "planner.retry" for message in messages)


class Unheard(Producer):
    """Sends, and never hears that it was taken."""

    async def send(self, messages: Sequence[Outgoing], *, within_seconds: float = 25) -> None:
        await super().send(messages, within_seconds=within_seconds)
        raise Unavailable("no answer")


@dataclass
class Flaky:
    """Cannot stand a job's event the first few times that it sees it."""

    job: UUID
    times: int
    seen: int = field(default=0)

    def __call__(self, event: JobControl) -> None:
        if event.job_id == self.job:
            self.seen += 1
            if self.seen <= self.times:
                raise ValueError("not yet")


def in_order(job: UUID, **headers: bytes) -> Outgoing:
    """An order in the one partition of all of these."""
    return replace(order(job, **headers), key="one")


def said(reader: TopicReader) -> int:
    """How many different messages a topic has, however often each was sent."""
    return len({(record.key, record.value, tuple(record.headers)) for record in reader.records})


async def _has_done(place: Place, count: int) -> bool:
    return await committed(place) == count


def sent_again(place: Place, retries: TopicReader) -> Outgoing:
    """What comes of a retry in its time."""
    timer = timer_of_retry(RetryRequested.model_validate(retries.values[0]), place.prefix, utc_now())
    assert isinstance(timer, Timer)
    return timer.message


async def _is_handled_once_by_the_next_one(
    place: Place, database: Database, producer: Producer, retries: TopicReader, job: UUID, *, after: int
) -> None:
    """The next process passes over so many records, and handles the retry as it comes."""
    seen, marker = Seen(), new_id()
    async with shell(seen, place, database, producer):
        await eventually(lambda: _has_done(place, after), 30)
        await producer.send([sent_again(place, retries), in_order(marker)])
        await eventually(lambda: marker in seen.jobs, 30)
    assert seen.jobs == [job, marker]
    assert said(retries) == 1


async def test_an_event_whose_retry_is_under_way_is_not_handled_when_its_batch_comes_again(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """It fails in its batch and alone; then its neighbour has to wait, and the whole batch is handled once more."""
    job, neighbour, marker = new_id(), new_id(), new_id()
    answers, retries = await reader_for("jobs.events"), await reader_for("planner.retry")
    halting, seen = Halting(topics.kafka, prefix=topics.prefix), Seen(fails=Flaky(job, times=2))
    await producer.send([in_order(job), in_order(neighbour)])
    await halting.open()
    async with shell(seen, topics, database, halting):
        await eventually(lambda: _has_done(topics, 2), 30)
        await eventually(lambda: retries.records, 30)
        await producer.send([sent_again(topics, retries), in_order(marker)])
        await eventually(lambda: marker in seen.jobs, 30)
    await halting.close()
    assert sorted(seen.jobs) == sorted([job, neighbour, marker])
    assert (said(retries), said(answers)) == (1, 3)


async def test_an_event_whose_retry_was_sent_before_its_process_died_is_not_handled_by_the_next_one(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    job = new_id()
    retries, unheard = await reader_for("planner.retry"), Unheard(topics.kafka, prefix=topics.prefix)
    await unheard.open()
    async with shell(Seen(fails=Flaky(job, times=1_000_000)), topics, database, unheard):
        await producer.send([in_order(job)])
        await eventually(lambda: retries.records, 30)
    await unheard.close()
    await _is_handled_once_by_the_next_one(topics, database, producer, retries, job, after=1)


async def test_a_record_that_waits_for_a_later_release_is_not_handled_when_that_comes_before_its_time(
    topics: Place,
    database: Database,
    producer: Producer,
    reader_for: ReaderFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deployment is under way: the old process dies before it has committed that it passed the record over."""
    job = new_id()
    retries, unheard = await reader_for("planner.retry"), Unheard(topics.kafka, prefix=topics.prefix)
    later = in_order(job)
    headers = [(name, value) for name, value in later.headers if name != CE_VERSION]
    await unheard.open()
    async with shell(Seen(), topics, database, unheard):
        await producer.send([replace(later, headers=(*headers, (CE_VERSION, b"2.0")))] * 2)
        await eventually(lambda: retries.records, 30)
    await unheard.close()

    def decode_later(topic: Any, record: Record) -> Any:
        known = [(name, value) for name, value in record.headers if name != CE_VERSION]
        return decode(topic, replace(record, headers=known))

    monkeypatch.setattr(messaging, "decode", decode_later)
    await _is_handled_once_by_the_next_one(topics, database, producer, retries, job, after=2)


async def test_what_was_handled_is_not_given_up_because_what_it_needs_is_gone_when_it_comes_again(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    job, marker = new_id(), new_id()
    dead, seen = await reader_for("planner.dead"), Seen()

    async def load(batch: Sequence[Incoming[JobControl]]) -> Sequence[Incoming[JobControl]]:
        if job in {one.event.job_id for one in batch} & set(seen.jobs):
            raise Rejected("gone", "it was there the first time")
        return batch

    consumer = Consumer("control", JOBS_CONTROL, seen.handle, prepare=load)
    subscriptions = Subscriptions(topics.kafka, [Shell("planner", topics.prefix, consumer, database, producer)])
    await subscriptions.open()
    await producer.send([in_order(job)])
    await eventually(lambda: seen.jobs == [job], 30)
    await producer.send([in_order(job), in_order(marker)])
    await eventually(lambda: marker in seen.jobs, 30)
    await subscriptions.close()
    assert seen.jobs == [job, marker]
    assert not dead.records


async def test_giving_up_an_event_is_repeated_until_its_end_is_reported(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """Postgres goes away while an event is given up, so the end of the event cannot be reported yet."""
    job, tries = new_id(), list[str]()
    told, dead = await reader_for("jobs.events"), await reader_for("planner.dead")

    def fails(event: JobControl) -> None:
        raise Rejected("too_strange", "no")

    async def tell(tx: Transaction, incoming: Incoming[JobControl], reason: str) -> list[Outgoing]:
        tries.append(reason)
        if len(tries) == 1:
            assert not dead.records
            raise Unavailable("away")
        return [answer(incoming.event.job_id)]

    consumer = Consumer("control", JOBS_CONTROL, Seen(fails=fails).handle, on_given_up=tell)
    unheard = Unheard(topics.kafka, prefix=topics.prefix)
    await unheard.open()
    subscriptions = Subscriptions(topics.kafka, [Shell("planner", topics.prefix, consumer, database, unheard)])
    await subscriptions.open()
    await producer.send([order(job)])
    await eventually(lambda: len(told.records) > 1 and len(dead.records) > 1, 30)
    await subscriptions.close()
    await unheard.close()
    assert tries == ["too_strange"] * 2
    assert (said(told), said(dead)) == (1, 1)


class WithoutLetters(Producer):
    """Cannot put dead letters where they belong, the first few times."""

    failures = 5

    async def send(self, messages: Sequence[Outgoing], *, within_seconds: float = 25) -> None:
        if self.failures and any(message.topic == "planner.dead" for message in messages):
            self.failures -= 1
            raise Unavailable("away")
        await super().send(messages, within_seconds=within_seconds)


async def test_dead_letters_that_cannot_be_sent_do_not_open_the_circuit(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """The topic of dead letters takes none for a while: the same records come again and again."""
    dead, without = await reader_for("planner.dead"), WithoutLetters(topics.kafka, prefix=topics.prefix)
    inner = replace(JOBS_CONTROL, public=False)
    consumer = Consumer("control", inner, Seen().handle)
    made = Shell("planner", topics.prefix, consumer, database, without, limits=Limits(circuit_run=5))
    subscriptions = Subscriptions(topics.kafka, [made])
    await without.open()
    await producer.send([Outgoing("jobs.control", "one", b"{", ())] * 3)
    await subscriptions.open()
    await eventually(lambda: len(dead.records) == 3 or made.circuit_open, 30)
    await subscriptions.close()
    await without.close()
    assert not made.circuit_open


@pytest.mark.parametrize(
    "refusal", [RefusedByTarget("sink_refused", "the table refuses it"), Rejected("too_strange", "no")]
)
async def test_what_a_user_has_to_mend_never_stops_the_consumer(
    topics: Place, database: Database, producer: Producer, refusal: SluiceError
) -> None:
    """All records of one source break a rule of its table; the next record is of another source."""
    bad, good = [new_id() for _ in range(20)], new_id()

    def fails(event: JobControl) -> None:
        if event.job_id in bad:
            raise refusal

    seen = Seen(fails=fails)
    consumer = Consumer("control", replace(JOBS_CONTROL, public=False), seen.handle)
    async with running(consumer, topics, database, producer, circuit_run=5) as subscriptions:
        await producer.send([in_order(job) for job in [*bad, good]])
        await eventually(lambda: seen.jobs or subscriptions.states()[0]["circuit_open"], 30)
    assert seen.jobs == [good]


async def test_a_consumer_of_which_most_events_fail_stops_though_some_pass(
    topics: Place, database: Database, producer: Producer
) -> None:
    """A release that handles one event in three would empty the topic into the dead letters all the same."""
    jobs = [new_id() for _ in range(60)]

    def fails(event: JobControl) -> None:
        if jobs.index(event.job_id) % 3:
            raise ValueError("never")

    consumer = Consumer("control", replace(JOBS_CONTROL, public=False), Seen(fails=fails).handle)
    async with running(consumer, topics, database, producer, circuit_run=5, circuit_last=20) as subscriptions:
        await producer.send([in_order(job) for job in jobs])
        await eventually(lambda: subscriptions.states()[0]["circuit_open"], 30)
    assert await committed(topics) < len(jobs)
