"""Defaults of our libraries that would do harm, each switched off (docs/evidence/library-rules.md)."""

import pytest

from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging import ledger
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, incoming, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_a_record_that_asks_for_a_reply_gets_none(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    """FastStream would send what a handler returns to the topic that the header `reply_to` of any record names."""
    seen, replies = Seen(), await reader_for("notifications")
    async with shell(seen, topics, database, producer):
        await producer.send([order(new_id(), reply_to=f"{topics.prefix}.notifications".encode())])
        await eventually(lambda: seen.jobs, 30)
    await producer.send([Outgoing("notifications", "last", b'"the last"', ())])
    await eventually(lambda: replies.values, 30)
    assert replies.values == ["the last"]


async def test_clients_learn_of_new_partitions_within_half_a_minute(
    topics: Place, database: Database, producer: Producer
) -> None:
    """Five minutes by default, for which a topic that was made or grew is not seen."""
    async with shell(Seen(), topics, database, producer) as consumers:
        consumer = consumers.subscribers[0].consumer
        assert consumer is not None
        assert producer._producer is not None
        for client in (consumer._client, producer._producer.client):
            assert client._metadata_max_age_ms == 30_000


async def test_a_batch_takes_the_same_number_of_statements_whatever_its_size(database: Database) -> None:
    """A statement for each row would be slower by a factor of fifty."""
    counts = []
    for size in (1, 1, 300):  # the first round also learns the types of the database
        statements: list[object] = []
        async with database.transaction() as tx:
            tx.add_query_logger(statements.append)
            await ledger.record_events(tx, "control", [incoming() for _ in range(size)])
            tx.remove_query_logger(statements.append)
        counts.append(len(statements))
    assert counts[1] == counts[2] > 0
