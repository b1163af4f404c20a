"""A table belongs to its user as well: what they do to it is for its own pages, and for no other's."""

import random
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.processor.app import build
from services.processor.settings import Settings
from services.processor.sinks import postgres
from shared.database import pool, users_tables
from shared.database.pool import Database
from shared.database.users_tables import TableBusy, users_table
from shared.errors import RefusedByTarget
from shared.events.catalogue import PAYLOADS_STORED
from shared.events.payloads import PayloadStored
from shared.ids import new_id
from shared.messaging.dead_letter import DELIVERIES
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.specification.source import PostgresSink
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.eventually import eventually
from tests.support.letters import sent_again
from tests.support.pages import page, stored_payload
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("processor")


@pytest.fixture
def store(payloads: Path) -> PayloadStore:
    return PayloadStore(payloads.as_uri())


async def page_of(store: PayloadStore, table: str, number: int) -> PayloadStored:
    pointer = await store.put(new_id(), "1-0", orjson.dumps([{"id": number}]), media_type="application/json")
    return stored_payload(pointer, source=table, sinks=(PostgresSink(type="postgres", table=table),))


def completed(tasks: TopicReader) -> set[UUID]:
    return {UUID(event["task_id"]) for event in tasks.of_type("task.changed") if event["state"] == "completed"}


async def test_a_locked_table_holds_back_no_other_source_and_its_pages_come_again(
    topics: Place,
    payloads: Path,
    producer: Producer,
    reader_for: ReaderFor,
    database: Database,
    store: PayloadStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user creates an index on one table, and has not committed an UPDATE of a row of another."""
    monkeypatch.setattr(users_tables, "_LOCK_SECONDS", 1)
    tasks, retries, dead = [await reader_for(name) for name in ("tasks.events", "processor.retry", "processor.dead")]

    async def process(*pages: PayloadStored, expected: Sequence[PayloadStored]) -> None:
        await producer.send([outgoing(PAYLOADS_STORED, "one", page, id=page.task_id) for page in pages])
        await eventually(lambda: completed(tasks) >= {page.task_id for page in expected}, 40)

    async with running("processor", Settings, build, topics, payloads):
        first = [await page_of(store, table, 1) for table in ("free", "indexed", "updated")]
        await process(*first, expected=first)
        async with database.transaction() as tx:
            await tx.execute("LOCK TABLE records.indexed IN SHARE MODE")
            await tx.execute("UPDATE records.updated SET record = '{}' WHERE key = '1'")
            pages = [await page_of(store, table, 1) for table in ("indexed", "updated") for _ in range(DELIVERIES + 1)]
            free = [await page_of(store, "free", number) for number in range(2, 5)]
            await process(*pages, *free, expected=free)
            await eventually(lambda: {UUID(one["event_id"]) for one in retries.values} == {p.task_id for p in pages})
    async with running("processor", Settings, build, topics, payloads):
        await producer.send([sent_again(retry, topics.prefix) for retry in retries.values])
        await eventually(lambda: completed(tasks) >= {page.task_id for page in pages}, 40)
    assert {(one["reason"], one["error"]) for one in retries.values} == {("table_busy", "")}
    assert not dead.records


async def write(database: Database, record: dict[str, object], *, tables: Sequence[str] = ("mine",)) -> None:
    sinks = tuple(PostgresSink(type="postgres", table=table) for table in tables)
    async with database.transaction() as tx:
        await postgres.write(tx, [page([record], sinks=sinks)])


async def change(place: Place, statements: str) -> None:
    """What a user does who may do everything."""
    admin = Database(place.owner_url(), schema="public")
    await admin.open()
    await admin.execute(statements)
    await admin.close()


CHANGES = {
    "a view": "DROP TABLE records.mine; CREATE VIEW records.mine AS SELECT 1 AS key",
    "the name of an index": "ALTER TABLE records.mine RENAME TO yours; CREATE INDEX mine ON records.yours (key)",
    "the table of another role": "ALTER TABLE records.mine OWNER TO CURRENT_USER",
    "row-level security": "ALTER TABLE records.mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "no unique key": "ALTER TABLE records.mine DROP CONSTRAINT mine_pkey",
    "a generated column of ours": "ALTER TABLE records.mine DROP COLUMN fetched_at,"
    " ADD COLUMN fetched_at timestamptz GENERATED ALWAYS AS (first_seen_at) STORED",
    "a generated column": "ALTER TABLE records.mine"
    " ADD COLUMN number integer GENERATED ALWAYS AS ((record ->> 'id')::integer) STORED",
    "an index of small values": "CREATE INDEX ON records.mine ((record ->> 'text'))",
    "a constraint": "ALTER TABLE records.mine ADD CHECK (key <> 'two')",
    "a deferred constraint": "ALTER TABLE records.mine ADD UNIQUE (source) DEFERRABLE INITIALLY DEFERRED",
}


@pytest.mark.parametrize("made", CHANGES.values(), ids=CHANGES)
async def test_what_a_user_made_of_a_table_is_never_taken_for_a_defect(
    place: Place, database: Database, made: str
) -> None:
    await write(database, {"id": 1})
    await change(place, made)
    with pytest.raises(RefusedByTarget, match=r"^the table mine refuses it: ") as refused:
        await write(database, {"id": "two", "text": random.Random(1).randbytes(9000).hex()})
    assert "two" not in str(refused.value)


REFERS = """
ALTER TABLE records.details ADD CONSTRAINT "Of an order" FOREIGN KEY (source, key) REFERENCES records.orders
    DEFERRABLE INITIALLY DEFERRED
"""


async def test_a_deferred_foreign_key_is_checked_once_all_tables_are_written(place: Place, database: Database) -> None:
    await write(database, {"id": 1}, tables=["details", "orders"])
    await change(place, REFERS)
    await write(database, {"id": 2}, tables=["details", "orders"])
    with pytest.raises(RefusedByTarget, match=r"^the table details refuses it: .* \(Of an order\)$"):
        await write(database, {"id": 3}, tables=["another", "details", "mine"])


SLOW_IN_THE_END = """
CREATE FUNCTION records.wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON records.mine DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION records.wait();
"""


async def test_a_deferred_trigger_that_takes_too_long_makes_its_own_table_busy_and_no_other(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(database, {"id": 1}, tables=["first", "mine"])
    await change(place, SLOW_IN_THE_END)
    monkeypatch.setattr(users_tables, "_STATEMENT_SECONDS", 1)
    with pytest.raises(TableBusy, match="the table mine"):
        await write(database, {"id": 2}, tables=["first", "mine"])


SLOW = """
CREATE FUNCTION records.wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
CREATE TRIGGER wait BEFORE INSERT ON records.mine FOR EACH ROW EXECUTE FUNCTION records.wait();
"""


async def test_a_table_whose_triggers_take_too_long_is_busy_and_no_outage(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends what takes too long before its client gives up waiting, as it would for a server that is gone."""
    assert users_tables._STATEMENT_SECONDS < pool._STATEMENT_SECONDS - pool._FAREWELL_SECONDS
    await write(database, {"id": 1})
    await change(place, SLOW)
    monkeypatch.setattr(users_tables, "_STATEMENT_SECONDS", 1)
    with pytest.raises(TableBusy, match="the table mine"):
        await write(database, {"id": 2})


UNREACHED = """
CREATE FUNCTION records.ask() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'could not connect to server "theirs"' USING ERRCODE = '{state}'; END$$;
CREATE TRIGGER ask BEFORE INSERT ON records.mine FOR EACH ROW EXECUTE FUNCTION records.ask();
"""


@pytest.mark.parametrize("state", ["08001", "08006", "53300", "57P03"])
async def test_a_table_whose_triggers_do_not_reach_another_server_is_busy_and_no_outage(
    place: Place, database: Database, state: str
) -> None:
    """Such as postgres_fdw and dblink speak to; all other tables can be written to."""
    await write(database, {"id": 1})
    await change(place, UNREACHED.replace("{state}", state))
    with pytest.raises(TableBusy, match="the table mine"):
        await write(database, {"id": 2})


@pytest.mark.parametrize("statement", ["SELECT WHERE", "SELECT nothing_like_it()", "CREATE TABLE nowhere.mine ()"])
async def test_a_statement_that_is_wrong_is_a_defect_and_no_rule_of_a_user(database: Database, statement: str) -> None:
    """So many of them in a row stop the consumer, instead of emptying its topic into the dead letters."""
    with pytest.raises(asyncpg.PostgresError):
        async with database.transaction() as tx:
            with users_table("mine", "sink_refused"):
                await tx.execute(statement)


async def test_a_function_of_a_users_trigger_that_is_wrong_is_the_users(database: Database) -> None:
    with pytest.raises(RefusedByTarget, match="the table mine refuses it: UndefinedFunctionError"):
        async with database.transaction() as tx:
            with users_table("mine", "sink_refused"):
                await tx.execute("DO $$ BEGIN PERFORM nothing_like_it(); END $$")
