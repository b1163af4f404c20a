"""Dead letters that are sent again or put away by the thousand."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from services.callback_gateway.http.store import find_dead_letters
from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.model import LetterFilter
from services.callback_gateway.redrive.store import LetterPage, Selection
from shared.database.pool import Database
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of
from tests.integration.callback_gateway.job_events import BEGAN
from tests.support.eventually import eventually

MANY = 2_100
"""More than are taken at once."""
ORDERS: dict[str, dict[str, Any]] = {
    "redrive": {"filter": {"reason": "bug"}, "rate": 1000},
    "discard": {"filter": {"reason": "bug"}, "reason": "a test"},
}
CUT_WHO_WAITS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""


async def keep_many(database: Database) -> None:
    """The letters of this module, one of each second."""
    await keep(database, *(letter_of(at=BEGAN + timedelta(seconds=number)) for number in range(MANY)))


async def still_open(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM dead_letters WHERE state = 'open'"))


@pytest.mark.parametrize("verb", list(ORDERS))
async def test_an_order_that_is_cut_off_has_done_what_it_has_done_and_can_be_given_again(
    edge: Served, verb: str
) -> None:
    """Somebody else holds the latest letter, so that the order comes no further than the page that it is on."""
    await keep_many(edge.database)
    async with edge.database.transaction() as tx:
        await tx.execute("SELECT FROM dead_letters ORDER BY at DESC LIMIT 1 FOR UPDATE")
        asked = asyncio.create_task(edge.http.post(f"/dead-letters/{verb}", json=ORDERS[verb]))

        async def waits() -> bool:
            return await still_open(edge.database) < MANY and bool(await tx.fetchval(CUT_WHO_WAITS))

        await eventually(waits)
        assert (await asked).status_code == 503
    left = await still_open(edge.database)
    assert 0 < left < MANY
    await keep(edge.database, letter_of(reason="empty"))
    again = await edge.http.post(f"/dead-letters/{verb}", json=ORDERS[verb])
    assert (again.json()["count"], await still_open(edge.database)) == (left, 1)


async def test_what_comes_while_an_order_is_carried_out_is_not_part_of_it(edge: Served) -> None:
    """What was sent again and failed again would else be sent again by the same order."""
    await keep_many(edge.database)
    async with edge.database.transaction() as tx:
        await tx.execute("SELECT FROM dead_letters ORDER BY at DESC LIMIT 1 FOR UPDATE")
        asked = asyncio.create_task(edge.http.post("/dead-letters/redrive", json=ORDERS["redrive"]))

        async def under_way() -> bool:
            return await still_open(edge.database) < MANY

        await eventually(under_way)
        await keep(edge.database, letter_of(at=BEGAN + timedelta(days=1)))
    assert (await asked).json()["count"] == MANY
    assert await still_open(edge.database) == 1


async def test_however_many_letters_there_are_the_oldest_come_first_each_in_its_turn(edge: Served) -> None:
    await keep_many(edge.database)
    await edge.http.post("/dead-letters/redrive", json=ORDERS["redrive"])
    async with edge.database.transaction() as tx:
        turns = [row["due_at"] for row in await tx.fetch("SELECT due_at FROM dead_letters ORDER BY at")]
    assert len(turns) == MANY
    assert min(later - turn for turn, later in pairwise(turns)) == timedelta(seconds=0.001)


@pytest.mark.parametrize("verb", list(ORDERS))
async def test_one_request_does_only_so_much_and_says_where_the_rest_is(edge: Served, verb: str) -> None:
    """Or a client would give up before its answer. What comes between two requests is not part of the order."""
    await keep(edge.database, letter_of(at=BEGAN))
    async with edge.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO dead_letters (id, service, topic, reason, at, document)
            SELECT gen_random_uuid(), service, topic, reason, at + number * interval '1 second', document
            FROM dead_letters CROSS JOIN generate_series(1, 10009) AS number"""
        )
    first = (await edge.http.post(f"/dead-letters/{verb}", json=ORDERS[verb])).json()
    await keep(edge.database, letter_of(at=BEGAN + timedelta(days=1)))
    wanted = {**ORDERS[verb]["filter"], **first["rest"]}
    second = (await edge.http.post(f"/dead-letters/{verb}", json={**ORDERS[verb], "filter": wanted})).json()
    assert [(done["count"], bool(done["rest"])) for done in (first, second)] == [(10_000, True), (10, False)]
    assert await still_open(edge.database) == 1


async def test_a_rare_reason_and_the_count_of_open_letters_do_not_read_all_letters(edge: Served) -> None:
    rare = "a rare reason" + 100 * "!"
    [one] = await keep(edge.database, letter_of(reason=rare + "?"))
    await keep(edge.database, letter_of(reason=rare + "!"))
    async with edge.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO dead_letters (id, service, topic, reason, at, document)
            SELECT gen_random_uuid(), service, topic, 'bug', at, document
            FROM dead_letters CROSS JOIN generate_series(1, 10000)"""
        )
    selection = Selection(LetterFilter(reason=rare + "?"), "sluice")
    async with edge.database.transaction() as tx:
        assert len(await find_dead_letters(tx, selection, None, None, 50)) == 1
        assert (await store.survey_redrives(tx, selection, force=False)).ids == (UUID(one),)
        assert (await store.survey_discards(tx, selection)).ids == (UUID(one),)
        assert len(await store.schedule_redrives(tx, selection, LetterPage(), force=False)) == 1
        assert len(await store.discard_letters(tx, selection, LetterPage(), "a test")) == 1
        assert await store.count_open(tx, 100, 10) == [("planner", "bug", 100), ("planner", (rare + "!")[:100], 1)]
        read = await tx.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'dead_letters'::regclass"
        )
    assert read < 1_000


@pytest.mark.parametrize("wanted", [{"service": "fetcher"}, {"topic": "fetch.requested"}])
async def test_the_few_letters_of_a_service_or_topic_are_listed_without_a_look_at_the_others(
    edge: Served, wanted: dict[str, Any]
) -> None:
    [one] = await keep(edge.database, letter_of(service="fetcher", topic="fetch.requested"))
    await keep(edge.database, letter_of(at=BEGAN + timedelta(days=1)))
    async with edge.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO dead_letters (id, service, topic, reason, at, document)
            SELECT gen_random_uuid(), service, topic, reason, at, document
            FROM dead_letters CROSS JOIN generate_series(1, 10000) WHERE service = 'planner'"""
        )
    async with edge.database.transaction() as tx:
        rows = await find_dead_letters(tx, Selection(LetterFilter(**wanted), "sluice"), None, None, 50)
        assert [str(row["id"]) for row in rows] == [one]
        read = await tx.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'dead_letters'::regclass"
        )
    assert read < 1_000
