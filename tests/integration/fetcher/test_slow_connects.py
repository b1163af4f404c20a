"""Connecting takes time, and a permit lasts for some seconds only: what is too late for it is not written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.fetcher.call.make import CallMaker
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from services.fetcher.lanes.leases import Leases
from services.fetcher.lanes.permit import Permit
from services.fetcher.model import Claimed, Ended, Later
from services.fetcher.permits.decide import KEPT
from services.fetcher.permits.windows import SECOND
from shared.database.pool import Database
from shared.payloads.store import PayloadStore
from tests.integration.fetcher.leaser import Leaser
from tests.integration.fetcher.site import Free, Site
from tests.integration.fetcher.site_calls import claimed
from tests.integration.fetcher.transports import SlowNames, vendor
from tests.support.eventually import eventually

NOW = 1_700_000_000 * SECOND


class Aging(Free):
    """A permit that grows too old on the way to the second address; each of them has been asked for."""

    def __init__(self) -> None:
        self.asked, self.written = 0, 0

    @property
    def is_kept(self) -> bool:
        return self.asked != 1

    def left(self) -> None:
        self.written += 1

    async def again(self) -> None:
        self.asked += 1


@pytest.fixture
def names() -> SlowNames:
    return SlowNames()


@pytest.fixture
async def maker(tmp_path: Path, names: SlowNames) -> AsyncIterator[CallMaker]:
    transport = Transport(names)
    yield CallMaker(transport, PayloadStore(tmp_path.as_uri()))
    await transport.close()


@pytest.fixture
def leases() -> Leases:
    made = Leaser(Database("postgresql://nobody@localhost/none", schema="fetcher")).leases
    made.is_rate_limited = True
    made.clock.read(NOW)
    return made


def slow_call(site: Site, moment: int) -> Claimed:
    return replace(claimed(site, "200,[]", base_url=f"http://slow.test:{site.port}"), moment=moment)


async def test_a_call_that_connects_for_longer_than_its_permit_lasts_is_not_sent(
    maker: CallMaker, names: SlowNames, leases: Leases, site: Site
) -> None:
    """It goes back, and leaves with its next permit, by the connection that is open then."""
    call = slow_call(site, NOW)
    first = asyncio.create_task(maker.make(call, Permit(leases, call)))
    await eventually(lambda: names.asked, 10)
    later = NOW + KEPT + SECOND // 10
    leases.clock.read(later)
    names.answers.set()
    again = await first
    assert isinstance(again, Later)
    assert again.attempt is not None
    assert (again.next_attempt, again.may_have_left) == (call.attempt + 1, False)
    assert again.attempt.reason == "connect_failed: connecting took longer than a permit lasts"
    assert (site.connections, site.heads) == (1, [])
    call = slow_call(site, later)
    assert isinstance(await maker.make(call, Permit(leases, call)), Ended)
    assert (site.connections, len(site.heads)) == (1, 1)


async def test_a_call_that_is_connected_while_its_permit_lasts_is_sent(
    maker: CallMaker, names: SlowNames, leases: Leases, site: Site
) -> None:
    call = slow_call(site, NOW)
    making = asyncio.create_task(maker.make(call, Permit(leases, call)))
    await eventually(lambda: names.asked, 10)
    leases.clock.read(NOW + KEPT - SECOND)
    names.answers.set()
    assert isinstance(await making, Ended)
    assert len(site.heads) == 1


async def test_a_redirect_whose_permit_grew_too_old_gets_another_one(transport: Transport, site: Site) -> None:
    """The call has left already, so it does not go back."""
    leave, allowed = Aging(), {"private_addresses": "allow", "redirects": "follow"}
    request = HttpRequest("GET", f"{site.url}/redirect?/page", {}, None)
    async with transport.send(request, vendor(site, network=allowed), "direct", leave) as answer:
        assert answer.status == 200
    assert (leave.asked, leave.written, len(site.heads)) == (2, 2, 2)
