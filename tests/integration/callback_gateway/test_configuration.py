"""Vendors, sources and hooks over HTTP: what was said last is in force at once, and stays so while the gateway's own
consumer reads what was said before."""

import asyncio
from typing import Any

import httpx
import pytest

from services.callback_gateway.configuration_cache import ConfigurationCache
from services.callback_gateway.configure import store
from shared.database.pool import Transaction
from shared.errors import Unavailable
from shared.runtime.clock import monotonic
from shared.specification.job import RequestJob
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.locks import waiting

OLD, NEW = {"base_url": "https://old.example"}, {"base_url": "https://new.example"}
SOURCE = {"poll": {"request": {"path": "/items"}}}
ROUNDS = 4


async def shown(gateway: httpx.AsyncClient, place: str, seconds: float) -> set[Any]:
    """Everything that a place shows in so long a time."""
    seen: set[Any] = set()
    until = monotonic() + seconds
    while monotonic() < until:
        answer = await gateway.get(place)
        seen.add(answer.json().get("base_url") if answer.status_code == 200 else answer.status_code)
    return seen


async def test_a_change_is_answered_when_the_consumer_has_come_to_it(
    gateway: httpx.AsyncClient, database_for: DatabaseFor
) -> None:
    """Who writes the copy beside the consumer is overwritten by what that reads late."""
    database = await database_for("callback-gateway")
    assert (await gateway.put("/vendors/acme", json=OLD)).status_code == 201
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE ledger IN SHARE MODE")
        changing = asyncio.create_task(gateway.put("/vendors/acme", json=NEW))
        await eventually(lambda: waiting(database))
        assert not changing.done()
        assert (await gateway.get("/vendors/acme")).json()["base_url"] == OLD["base_url"]
    assert (await changing).status_code == 200
    assert await shown(gateway, "/vendors/acme", 0.1) == {NEW["base_url"]}


async def test_what_was_said_last_stays_in_force(gateway: httpx.AsyncClient, database_for: DatabaseFor) -> None:
    """At another gateway, too, which looks once a second."""
    other = ConfigurationCache(await database_for("callback-gateway"))
    assert await other.refresh() <= 1
    for number in range(ROUNDS):
        vendor = f"/vendors/acme-{number}"
        assert (await gateway.put(vendor, json=OLD)).status_code == 201
        assert (await gateway.delete(vendor)).status_code == 204
        assert (await gateway.put(vendor, json=NEW)).status_code == 201
        source = await gateway.put(f"/sources/items-{number}", json={**SOURCE, "vendor": f"acme-{number}"})
        assert source.status_code == 201, source.text
        hook = {"id": "body.id", "start": {"source": f"items-{number}"}}
        assert (await gateway.put("/hooks/acme", json=hook)).is_success
        assert await shown(gateway, vendor, 0.15) == {NEW["base_url"]}
        await other.refresh()
        told = await other.hook("acme")
        assert told is not None and told.start is not None
        assert told.start.source in other.sources
        assert (f"acme-{number}" in other.vendors, told.start.source) == (True, f"items-{number}")


async def test_what_was_removed_last_stays_away(gateway: httpx.AsyncClient) -> None:
    for number in range(ROUNDS):
        vendor = f"/vendors/acme-{number}"
        assert (await gateway.put(vendor, json=OLD)).status_code == 201
        assert (await gateway.put(vendor, json=NEW)).status_code == 200
        assert (await gateway.delete(vendor)).status_code == 204
        assert await shown(gateway, vendor, 0.15) == {404}


async def test_mistakes_that_come_together_share_a_look(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come while one looks share the next look: it sees what was told before they came."""
    database, find_names = await database_for("callback-gateway"), store.find_names
    looks: list[None] = []

    async def counted(tx: Transaction) -> Any:
        looks.append(None)
        return await find_names(tx)

    monkeypatch.setattr(store, "find_names", counted)
    cache = ConfigurationCache(database)
    job = RequestJob.model_validate({"vendor": "nobody", "request": {"path": "/"}})
    async with database.transaction() as tx:
        await tx.execute("LOCK TABLE vendors IN ACCESS EXCLUSIVE MODE")
        refused = [asyncio.create_task(cache.missing(job)) for _ in range(50)]
        await eventually(lambda: waiting(database))
    assert all(await asyncio.gather(*refused))
    assert len(looks) <= 2
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO vendors (id, document) VALUES ('nobody', '{}')")
    assert await cache.missing(job) is None


async def test_mistakes_that_come_together_share_a_look_that_fails(
    database_for: DatabaseFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each would wait for a database that hangs, one after the other."""
    may_fail, looks = asyncio.Event(), list[None]()

    async def fails(_: Transaction) -> Any:
        looks.append(None)
        await may_fail.wait()
        raise Unavailable("Postgres: it hangs")

    monkeypatch.setattr(store, "find_names", fails)
    cache = ConfigurationCache(await database_for("callback-gateway"))
    job = RequestJob.model_validate({"vendor": "nobody", "request": {"path": "/"}})
    refused = [asyncio.create_task(cache.missing(job)) for _ in range(50)]
    await eventually(lambda: looks)
    may_fail.set()
    outcomes = await asyncio.gather(*refused, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert len(looks) <= 2
