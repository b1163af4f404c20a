"""A vendor that does not know our credential any more is left alone, instead of being asked for each call of a job."""

from pathlib import Path

import pytest

from services.fetcher.app import build
from services.fetcher.configure.handler import SQL as CONFIGURE
from services.fetcher.model import REFUSALS
from services.fetcher.settings import Settings
from services.fetcher.settle import store as settle_store
from shared.database.pool import Database
from shared.events.catalogue import FETCH_REQUESTED, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.site import Site
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place


def configured(site: Site) -> Outgoing:
    document = {
        "vendor": "v",
        "base_url": site.url,
        "network": {"private_addresses": "allow"},
        "auth": {"type": "bearer", "token": "env:ACME_TEST_KEY"},
        "budget": {"windows": [], "in_flight": 1},
    }
    return outgoing(VENDORS, "v", VendorConfigured(vendor=Vendor.model_validate(document)))


def call(says: str) -> Outgoing:
    event = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="v",
        call=Call(path="/status", query={"says": says}),
        processing=Processing(source="s"),
    )
    return outgoing(FETCH_REQUESTED, event.task_id, event)


async def rests(database: Database) -> bool:
    """Whether the only vendor does."""
    async with database.transaction() as tx:
        return bool(await tx.fetchval("SELECT paused_until > now() FROM budgets"))


async def test_calls_wait_after_a_few_refusals_until_the_vendor_is_applied_anew(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    database_for: DatabaseFor,
) -> None:
    """Twelve calls with a token that was revoked: five are dead, the others wait."""
    monkeypatch.setenv("ACME_TEST_KEY", "revoked")
    dead, database = await reader_for("fetcher.dead"), await database_for("fetcher")
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site), *(call("401,no") for _ in range(12))])
        await eventually(lambda: rests(database), 30)
        await eventually(lambda: len(dead.values) == 5, 30)
        assert len(site.heads) == 5
        assert {letter["reason"] for letter in dead.values} == {"auth_failed"}
        await producer.send([configured(site)])
        await eventually(lambda: len(dead.values) == 10, 30)
        await eventually(lambda: rests(database), 30)
        assert len(site.heads) == 10


async def test_calls_wait_after_the_secret_was_missing_a_few_times(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    database_for: DatabaseFor,
) -> None:
    """A fetcher that was started without it does not use up a job."""
    monkeypatch.delenv("ACME_TEST_KEY", raising=False)
    dead, database = await reader_for("fetcher.dead"), await database_for("fetcher")
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site), *(call("200,[]") for _ in range(12))])
        await eventually(lambda: rests(database), 30)
        await eventually(lambda: len(dead.values) == REFUSALS, 30)
        monkeypatch.setenv("ACME_TEST_KEY", "s3cret")
        await producer.send([configured(site)])
        await eventually(lambda: len(site.heads) == 12 - REFUSALS, 30)
    assert {letter["reason"] for letter in dead.values} == {"secret_missing"}


async def seconds(database: Database, vendor: str) -> float:
    """For how long a vendor rests."""
    query = "SELECT greatest(extract(epoch FROM paused_until - now()), 0)::float8 FROM budgets WHERE vendor = $1"
    async with database.transaction() as tx:
        return float(await tx.fetchval(query, vendor))


async def refuse(database: Database, times: int = 1) -> float:
    """So many calls at once hear that their credential is unknown; gives for how long the vendor rests."""
    async with database.transaction() as tx:
        await settle_store.refuse_credentials(tx, ["acme"] * times)
    return await seconds(database, "acme")


async def rest_is_over(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE budgets SET paused_until = now() - interval '1 second'")


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO budgets (vendor) VALUES ('acme'), ('other')")
    return database


async def test_a_few_refusals_are_nothing_and_each_after_them_doubles_the_rest_up_to_its_longest(
    database: Database,
) -> None:
    assert await refuse(database, REFUSALS - 1) == 0
    rests = []
    for _ in range(7):
        rests.append(round(await refuse(database)))
        await rest_is_over(database)
    assert rests == pytest.approx([60, 120, 240, 480, 900, 900, 900], abs=5)
    assert await seconds(database, "other") == 0


async def test_calls_that_were_under_way_when_the_rest_began_do_not_prolong_it(database: Database) -> None:
    assert await refuse(database, 20) == pytest.approx(60, abs=5)
    assert await refuse(database, 20) == pytest.approx(60, abs=5)


@pytest.mark.parametrize("ends", ["a success", "the vendor applied anew"])
async def test_what_shows_that_the_credential_may_be_good_again_ends_it(database: Database, ends: str) -> None:
    await refuse(database, 20)
    async with database.transaction() as tx:
        if ends == "a success":
            await settle_store.speed_up_vendors(tx, ["acme"])
        else:
            await tx.execute(CONFIGURE["end_pauses"], ["acme"])
    await rest_is_over(database)
    assert await refuse(database, REFUSALS - 1) == 0
