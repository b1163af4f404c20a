"""Which faults of Postgres mean "wait", which mean "this value never", and that a connection comes back clean."""

import asyncio
from traceback import format_exception

import asyncpg
import pytest

from shared.database import pool
from shared.database.pool import Database, Transaction, Unstorable
from shared.errors import Unavailable
from shared.events.envelope import Incoming
from shared.events.jobs import JobControl
from shared.messaging import ledger
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import incoming
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def ask(database: Database, query: str = "SELECT 1", *arguments: object) -> object:
    async with database.transaction() as tx:
        return await tx.fetchval(query, *arguments)


async def test_a_connection_that_is_cut_means_wait_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(Unavailable):
        await ask(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await ask(database) == 1


@pytest.mark.parametrize("slower", ["server", "client"])
async def test_a_statement_that_takes_too_long_means_wait(
    place: Place, monkeypatch: pytest.MonkeyPatch, slower: str
) -> None:
    """Server and client have the same limit; it must not matter which of them is first."""
    monkeypatch.setattr(pool, "_STATEMENT_SECONDS", 1)
    database = Database(place.database_url().replace("{service}", "planner"), schema="planner", connections=2)
    await database.open()
    limit = "5s" if slower == "server" else "100ms"
    try:
        with pytest.raises(Unavailable):
            async with database.transaction() as tx:
                await tx.execute(f"SET LOCAL statement_timeout = '{limit}'")
                await tx.execute("SELECT pg_sleep(10)")
        assert await ask(database) == 1
    finally:
        await database.close()


async def test_a_transaction_whose_process_stands_still_is_ended(place: Place, database: Database) -> None:
    sleeper = Database(place.database_url().replace("{service}", "planner"), schema="planner", idle_seconds=0.2)
    await sleeper.open()

    async def is_gone() -> bool:
        return not await ask(database, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", process)

    try:
        with pytest.raises(Unavailable):
            async with sleeper.transaction() as tx:
                process = await tx.fetchval("SELECT pg_backend_pid()")
                await eventually(is_gone, 20)
                await tx.execute("SELECT 1")
        assert await ask(sleeper) == 1
    finally:
        await sleeper.close()


async def test_a_pool_that_is_used_up_is_not_waited_for_without_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_ACQUIRE_SECONDS", 0.2)
    database = Database(place.database_url().replace("{service}", "planner"), schema="planner", connections=1)
    await database.open()
    try:
        async with database.transaction():
            with pytest.raises(Unavailable):
                await ask(database)
        assert await ask(database) == 1
    finally:
        await database.close()
    with pytest.raises(Unavailable):
        await ask(database)


@pytest.mark.parametrize("silent_at", ["begin", "statement", "commit", "execute"])
async def test_a_silent_server_is_not_waited_for_once_patience_has_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch, silent_at: str
) -> None:
    for deadline in ("_STATEMENT_SECONDS", "_CONNECT_SECONDS", "_ACQUIRE_SECONDS"):
        monkeypatch.setattr(pool, deadline, 600)
    proxy = Proxy.to(place.admin_url)
    await proxy.open()
    url = place.through(proxy.port).database_url()
    database = Database(url.replace("{service}", "planner"), schema="planner", connections=1)
    await database.open()

    async def work() -> None:
        if silent_at == "execute":
            proxy.cut()
            await database.execute("SELECT 1")
        if silent_at == "begin":
            proxy.cut()
        async with database.transaction() as tx:
            await tx.execute("SELECT 1")
            proxy.cut()
            if silent_at == "statement":
                await tx.execute("SELECT 2")

    try:
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await work()
            proxy.mend()
            assert await ask(database) == 1
    finally:
        await database.close()
        await proxy.close()


async def test_a_table_that_changes_under_a_prepared_statement_means_wait(place: Place, database: Database) -> None:
    """A migration of a running system: the next try prepares the statement anew."""
    query = "SELECT * FROM ledger"
    await ask(database, query)
    owner = await asyncpg.connect(place.owner_url())
    await owner.execute("ALTER TABLE planner.ledger ADD COLUMN note text")
    await owner.close()
    with pytest.raises(Unavailable, match="InvalidCachedStatementError"):
        await ask(database, query)
    assert await ask(database, query) is None


@pytest.mark.parametrize(
    ("query", "value", "by_content"),
    [
        ("SELECT $1::text", "a\x00b", True),
        ("SELECT $1::text", "s3cret\ud800", True),
        ("SELECT $1::text[]", ["s3cret\ud800"], True),
        ("SELECT $1::text::uuid", "s3cret", False),
        ("SELECT $1::jsonb", {"a": "\x00"}, True),
        ("SELECT $1::integer", 2**40, True),
        ("SELECT ($1::bigint * 10)::integer", 2**40, True),
        ("SELECT $1::integer", "s3cret", False),
        ("SELECT $1::text", 7, False),
    ],
)
async def test_a_value_that_cannot_be_stored_raises_unstorable_without_repeating_it(
    database: Database, query: str, value: object, by_content: bool
) -> None:
    """A value of a wrong type may be a defect of ours, which stops a consumer; one that a user wrote may not."""
    with pytest.raises(Unstorable) as refused:
        await ask(database, query, value)
    assert (refused.value.reason, refused.value.by_content) == ("unstorable_value", by_content)
    assert "s3cret" not in "".join(format_exception(refused.value))
    assert await ask(database) == 1


async def test_a_statement_with_a_defect_raises_the_error_of_the_database(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await ask(database, "SELECT * FROM no_such_table")


async def test_the_error_of_a_broken_constraint_repeats_no_value(database: Database) -> None:
    insert = "INSERT INTO vendors VALUES ('s3cret', $1)"
    await ask(database, insert, b"{}")
    for document in (b"{}", None):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="vendors") as refused:
            await ask(database, insert, document)
        assert "(s3cret" not in "".join(format_exception(refused.value))


async def test_what_a_transaction_sets_ends_with_it_whether_it_commits_or_not(
    place: Place,
) -> None:
    """Connections are handed on as they are, without a reset."""
    database = Database(place.database_url().replace("{service}", "planner"), schema="planner", connections=1)
    await database.open()
    try:
        before = await ask(database, "SHOW synchronous_commit")
        async with database.transaction() as tx:
            await tx.execute("SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(RuntimeError):
            async with database.transaction() as tx:
                await tx.execute("SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock(2)")
                raise RuntimeError
        assert await ask(database, "SHOW synchronous_commit") == before
        assert await ask(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    finally:
        await database.close()


async def test_two_members_that_have_the_same_events_in_another_order_never_lock_each_other(
    database: Database,
) -> None:
    batch = [incoming() for _ in range(300)]
    fresh: list[int] = []

    async def handle(events: list[Incoming[JobControl]]) -> None:
        async with database.transaction() as tx:
            fresh.append(len((await ledger.record_events(tx, "control", events)).fresh))
            await _let_others_run(tx)

    await asyncio.gather(handle(batch), handle(batch[::-1]), handle(batch[150:] + batch[:150]))
    assert sorted(fresh) == [0, 0, 300]


async def _let_others_run(tx: Transaction) -> None:
    await tx.execute("SELECT pg_sleep(0.2)")


async def test_no_bitmap_scan_reads_a_queue_and_no_index_needs_one(database: Database) -> None:
    """A bitmap scan reads the entries of dead rows again each time; other kinds of indexes are read by nothing else."""
    assert await ask(database, "SHOW enable_bitmapscan") == "off"
    others = "SELECT array_agg(indexname) FROM pg_indexes WHERE schemaname !~ '^pg_' AND indexdef !~ 'USING btree'"
    assert await ask(database, others) is None
