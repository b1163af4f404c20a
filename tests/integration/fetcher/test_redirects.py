"""Redirects that a vendor's definition lets follow: each one is a request that the vendor counts."""

from pathlib import Path
from typing import Any

from services.fetcher.app import build
from services.fetcher.settings import Settings
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


def configured(site: Site, **fields: Any) -> Outgoing:
    document = {
        "vendor": "v",
        "base_url": site.url,
        "network": {"private_addresses": "allow", "redirects": "follow"},
        "retry": {"attempts": 1},
        **fields,
    }
    return outgoing(VENDORS, "v", VendorConfigured(vendor=Vendor.model_validate(document)))


def moved() -> Outgoing:
    """A call that is answered with a redirect to the page itself."""
    event = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="v",
        call=Call(path="/redirect", query={"/page": ""}),
        processing=Processing(source="s"),
    )
    return outgoing(FETCH_REQUESTED, event.task_id, event)


async def test_a_redirect_is_not_followed_without_a_permit_of_its_own(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    database_for: DatabaseFor,
    payloads: Path,
    site: Site,
) -> None:
    """Of four permits three are for the calls, which wait for their vendor together; the one that is left lets one
    redirect be followed."""
    tasks, database = await reader_for("tasks.events"), await database_for("fetcher")

    def ends() -> list[str]:
        states = [event["state"] for event in tasks.of_type("task.changed")]
        return sorted(state for state in states if state in ("stored", "dead"))

    async def all_wait() -> bool:
        async with database.transaction() as tx:
            return bool(await tx.fetchval("SELECT count(*) = 3 FROM calls"))

    budget = {"windows": [{"requests": 4, "per": "1d"}]}
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([moved() for _ in range(3)])
        await eventually(all_wait)
        await producer.send([configured(site, budget=budget, timeouts={"total": "3s"})])
        await eventually(lambda: len(ends()) == 3, 30)
    assert ends() == ["dead", "dead", "stored"]
    assert len(site.heads) == 4


async def test_redirects_within_the_contract_are_followed(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site
) -> None:
    tasks = await reader_for("tasks.events")
    budget = {"windows": [{"requests": 20, "per": "1s"}, {"requests": 20, "per": "1d"}]}
    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([configured(site, budget=budget), *(moved() for _ in range(10))])
        await eventually(
            lambda: [event["state"] for event in tasks.of_type("task.changed")].count("enqueued") == 10, 30
        )
    assert len(site.heads) == 20
