"""Which offsets are committed, and when: those of what is done, and no others."""

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import CommitFailedError
from prometheus_client import REGISTRY

from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging import shell as messaging
from shared.messaging.producer import Producer
from shared.messaging.reader import Reader
from shared.messaging.subscriptions import Subscriptions
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import Seen, committed, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_stopping_commits_what_was_done_and_nothing_else(
    topics: Place, database: Database, producer: Producer
) -> None:
    seen = Seen()
    async with shell(seen, topics, database, producer):
        await producer.send([order(new_id()) for _ in range(100)])
        await eventually(lambda: len(seen.jobs) == 100, 30)
    assert await committed(topics) == 100


async def test_where_records_were_deleted_unread_it_goes_on_with_the_oldest_that_is_left_and_says_so(
    topics: Place, database: Database, producer: Producer, capsys: pytest.CaptureFixture[str]
) -> None:
    """As their retention does, while nobody consumes: what is behind them is not lost, too."""
    seen, (done, deleted, left) = Seen(), [replace(order(new_id()), key="one") for _ in range(3)]
    async with shell(seen, topics, database, producer):
        await producer.send([done])
        await eventually(lambda: len(seen.jobs) == 1, 30)
    await producer.send([deleted])
    assert await delete_all(topics) == {0, 2}
    await producer.send([left])
    async with shell(seen, topics, database, producer):
        await eventually(lambda: len(seen.jobs) == 2, 30)
    assert [str(job) in (left.value or b"").decode() for job in seen.jobs] == [False, True]
    assert jumps(topics) == (1, 1)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "position.jumped" in line]
    assert all(part in line for part in (f"{topics.prefix}.jobs.control", "position=1", "goes_on_from=2")), line


async def test_a_jump_to_the_end_of_a_partition_is_found_once(
    topics: Place, database: Database, producer: Producer
) -> None:
    """Nothing comes behind what was deleted, so nothing is handled whose offset would be committed."""
    seen, orders = Seen(), [replace(order(new_id()), key="one") for _ in range(4)]
    async with shell(seen, topics, database, producer):
        await producer.send(orders[:1])
        await eventually(lambda: len(seen.jobs) == 1, 30)
    await producer.send(orders[1:])
    await delete_all(topics)
    async with shell(seen, topics, database, producer):
        await eventually(lambda: _reaches(topics, 4), 30)
    async with shell(seen, topics, database, producer):
        await producer.send([last := replace(order(new_id()), key="one")])
        await eventually(lambda: len(seen.jobs) == 2, 30)
    assert str(seen.jobs[1]) in (last.value or b"").decode()
    assert jumps(topics) == (1, 3)


async def test_where_the_log_ends_before_what_was_done_it_is_read_from_its_beginning_and_says_so(
    topics: Place, database: Database, producer: Producer
) -> None:
    """As after a leader that did not have the last records: how many were lost, offsets do not tell."""
    seen, sent = Seen(), replace(order(new_id()), key="one")
    await producer.send([sent])
    at = [TopicPartition(f"{topics.prefix}.jobs.control", number) for number in range(2)]
    async with AIOKafkaConsumer(bootstrap_servers=topics.kafka, group_id=f"{topics.prefix}.planner.control") as group:
        group.assign(at)
        await group.commit(dict.fromkeys(at, 7))
    async with shell(seen, topics, database, producer):
        await eventually(lambda: seen.jobs, 30)
        await eventually(lambda: _reaches(topics, 1), 30)
    assert jumps(topics) == (2, 0)


def jumps(place: Place) -> tuple[float | None, ...]:
    """How often the consumer's position was gone, and how many records it lost by that."""
    labels = {"group": f"{place.prefix}.planner.control"}
    return tuple(
        REGISTRY.get_sample_value(f"sluice_{name}_total", labels) for name in ("position_jumps", "records_lost")
    )


async def delete_all(place: Place) -> set[int]:
    """Delete what is in the topic; gives the offsets at which its partitions begin now."""
    partitions = [TopicPartition(f"{place.prefix}.jobs.control", number) for number in range(2)]
    admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
    await admin.start()
    try:
        return set((await admin.delete_records(dict.fromkeys(partitions, RecordsToDelete(-1)))).values())
    finally:
        await admin.close()


async def test_a_batch_that_goes_back_comes_again_from_all_its_partitions(
    topics: Place, database: Database, producer: Producer
) -> None:
    tries, jobs = 0, [new_id() for _ in range(40)]

    def fails(event: JobControl) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Unavailable("away")

    seen = Seen(fails=fails)
    await producer.send([order(job) for job in jobs])
    async with shell(seen, topics, database, producer, patience_seconds=0.0):
        await eventually(lambda: sorted(seen.jobs) == sorted(jobs), 30)
        await eventually(lambda: _reaches(topics, 40), 30)


async def test_a_consumer_that_fails_shows_it_and_its_lag_until_the_batch_is_done(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("defect")

    seen, job = Seen(), new_id()
    async with shell(seen, topics, database, producer) as subscriptions:
        with monkeypatch.context() as patched:
            patched.setattr(messaging, "decode", breaks)
            await producer.send([order(job)])
            await eventually(lambda: subscriptions.states()[0]["failing"], 30)
            [failing] = subscriptions.states()[0]["failing"]
            assert failing.endswith(": KeyError")
            await eventually(lambda: subscriptions.states()[0]["lag"] == 1, 30)
        await eventually(lambda: seen.jobs == [job], 30)
        await eventually(lambda: not subscriptions.states()[0]["failing"], 30)
        await eventually(lambda: subscriptions.states()[0]["lag"] == 0, 30)


async def test_a_partition_that_others_have_brought_to_its_end_does_not_fail_any_more(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer fails in both partitions. Another takes one of them over, does its batch, and leaves."""

    def breaks(*_: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(messaging, "decode", breaks)
    async with shell(Seen(), topics, database, producer) as subscriptions:
        await producer.send([order(new_id()) for _ in range(20)])
        await eventually(lambda: len(subscriptions.states()[0]["failing"]) == 2, 30)
        other = AIOKafkaConsumer(
            f"{topics.prefix}.jobs.control", bootstrap_servers=topics.kafka, group_id=f"{topics.prefix}.planner.control"
        )
        await other.start()
        [taken] = await eventually(other.assignment, 30)
        await other.seek_to_end(taken)
        await other.commit({taken: await other.position(taken)})
        await other.stop()
        await eventually(lambda: _has_one_of_two_failing(subscriptions), 30)


def _has_one_of_two_failing(subscriptions: Subscriptions) -> bool:
    [state] = subscriptions.states()
    return state["partitions"] == 2 and len(state["failing"]) == 1


async def test_a_process_that_stops_in_the_midst_of_a_batch_commits_nothing_of_it(
    topics: Place, database: Database, producer: Producer
) -> None:
    tries, job = 0, new_id()

    def fails(event: JobControl) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("away")

    async with shell(Seen(fails=fails), topics, database, producer):
        await producer.send([order(job)])
        await eventually(lambda: tries, 30)
    assert await committed(topics) == 0
    seen = Seen()
    async with shell(seen, topics, database, producer):
        await eventually(lambda: seen.jobs == [job], 30)


async def test_offsets_that_cannot_be_committed_are_counted_and_committed_later(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, refuse = {"group": f"{topics.prefix}.planner.control"}, True
    commit = Reader.commit

    async def refused(self: Reader, offsets: object) -> None:
        if refuse:
            raise CommitFailedError
        await commit(self, offsets)

    monkeypatch.setattr(Reader, "commit", refused)
    async with shell(Seen(), topics, database, producer):
        await producer.send([order(new_id()) for _ in range(10)])
        await eventually(lambda: REGISTRY.get_sample_value("sluice_offset_commit_faults_total", labels), 30)
        assert await committed(topics) == 0
        refuse = False
        await eventually(lambda: _reaches(topics, 10), 30)


async def test_a_defect_in_committing_offsets_does_not_end_it(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, failed = Reader.commit, list[object]()

    async def fails_once(self: Reader, offsets: object) -> None:
        if not failed:
            failed.append(offsets)
            raise RuntimeError("nobody has thought of this")
        await commit(self, offsets)

    monkeypatch.setattr(Reader, "commit", fails_once)
    async with shell(Seen(), topics, database, producer):
        await producer.send([order(new_id()) for _ in range(10)])
        await eventually(lambda: failed, 30)
        await eventually(lambda: _reaches(topics, 10), 30)


async def test_a_commit_that_never_returns_does_not_stop_the_consumer(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's own commit goes on until the coordinator is back."""

    async def hangs(self: Reader, offsets: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Reader, "commit", hangs)
    seen = Seen()
    async with shell(seen, topics, database, producer, commit_seconds=0.2):
        await producer.send([order(new_id())])
        await eventually(lambda: len(seen.jobs) == 1, 30)


async def _reaches(place: Place, count: int) -> bool:
    return await committed(place) == count
