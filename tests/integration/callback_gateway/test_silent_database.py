"""Postgres hangs with every connection open: the edge goes by what it knows, and asks again only after a while."""

import asyncio
import os
from collections.abc import AsyncIterator

import orjson
import pytest

from services.callback_gateway.http.callback_rules import CallbackRules
from services.callback_gateway.keys import keyring
from services.callback_gateway.keys import store as keys
from services.callback_gateway.keys.key import make_key
from services.callback_gateway.keys.keyring import Keyring
from services.callback_gateway.webhooks import intake
from shared.database import pool
from shared.errors import Unavailable
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import ServeEdge
from tests.integration.callback_gateway.hooks import ORDER, hook
from tests.integration.callback_gateway.outages import Counting
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.signing import signed
from tests.support.stack import Place


@pytest.fixture
async def database(place: Place, to_postgres: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counting]:
    """Behind the proxy, with deadlines of its own that are too far away to help anybody."""
    for deadline in ("_STATEMENT_SECONDS", "_CONNECT_SECONDS", "_ACQUIRE_SECONDS"):
        monkeypatch.setattr(pool, deadline, 600)
    url = place.through(to_postgres.port).database_url()
    made = Counting(url.replace("{service}", "callback_gateway"), schema="callback_gateway")
    await made.open()
    yield made
    await made.close()


async def test_callbacks_go_by_the_rules_that_are_known(database: Counting, to_postgres: Proxy) -> None:
    now = 100.0
    rules = CallbackRules(database, lambda: now)
    document = orjson.dumps({"vendor": "acme", "base_url": "https://acme.example"})
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO vendors (id, document) VALUES ('acme', $1)", document)
    known = await rules.rules_of("acme")
    to_postgres.cut()
    now += 1.0
    before = database.asked
    async with asyncio.timeout(60):
        assert [await rules.rules_of("acme") for _ in range(3)] == [known] * 3
        assert database.asked == before + 1
        with pytest.raises(Unavailable, match="did not answer in time"):
            await rules.rules_of("unheard-of")
    to_postgres.mend()
    now += 5.0
    before = database.asked
    assert await rules.rules_of("acme") == known
    assert database.asked == before + 1


@pytest.mark.usefixtures("hook_secret")
async def test_after_a_claim_that_failed_webhooks_wait_for_no_other(
    serve_edge: ServeEdge,
    producer: Producer,
    database: Counting,
    to_postgres: Proxy,
    reader_for: ReaderFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received = await reader_for("webhooks.received")
    edge = await serve_edge(producer, database)
    place = await hook(edge)
    assert (await edge.http.post(place, **signed(ORDER, "msg_0"))).status_code == 202
    to_postgres.cut()
    monkeypatch.setattr(intake, "_CLAIM_SECONDS", 0.1)
    monkeypatch.setattr(intake, "_AWAY_SECONDS", 600)
    before = database.asked
    for name in ("msg_1", "msg_2", "msg_3"):
        assert (await edge.http.post(place, **signed(ORDER, name), timeout=60)).status_code == 202
    assert database.asked == before + 1
    await eventually(lambda: len(received.values) == 4)


async def test_known_keys_stay_in_force_and_are_not_read_again_at_once(
    database: Counting, to_postgres: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(keyring, "monotonic", lambda: now)
    text, key = make_key("ci", frozenset({"jobs:read"}), os.urandom)
    async with database.transaction() as tx:
        await keys.insert_key(tx, key)
    found = Keyring(database)
    assert await found.find(text)
    to_postgres.cut()
    before = database.asked
    async with asyncio.timeout(60):
        for _ in range(4):
            now += 1.0
            assert await found.find(text)
    assert database.asked == before + 1
    to_postgres.mend()
    now += 5.0
    assert await found.find(text)
    assert database.asked == before + 2
