"""Calls of the site that misbehaves on purpose: its configuration, and what is asked of it."""

from typing import Any

from services.fetcher.model import Claimed
from shared.events.catalogue import FETCH_REQUESTED, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.payloads import Processing
from shared.events.tasks import AnswerWanted, Call, FactsWanted, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor
from tests.integration.fetcher.site import Site


def configured(site: Site) -> Outgoing:
    """The vendor `v` is this site."""
    document = {"vendor": "v", "base_url": site.url, "network": {"private_addresses": "allow"}}
    return outgoing(VENDORS, "v", VendorConfigured(vendor=Vendor.model_validate(document)))


def held(name: str) -> Outgoing:
    """A call that the site answers as a test wants it."""
    call = Call(path="/held", query={"until": name})
    event = FetchRequested(
        task_id=new_id(), job_id=new_id(), number=0, vendor="v", call=call, processing=Processing(source="s")
    )
    return outgoing(FETCH_REQUESTED, event.task_id, event)


def claimed(site: Site, says: str, purpose: Any = "page", facts: FactsWanted | None = None, **vendor: Any) -> Claimed:
    """A call in the hands of a fetcher; its answer is a status and, behind a comma, a body."""
    document = {"vendor": "x", "base_url": site.url, "network": {"private_addresses": "allow"}, **vendor}
    request = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="x",
        purpose=purpose,
        call=Call(method="POST" if purpose == "deliver" else "GET", path="/status", query={"says": says}),
        facts=facts,
        answer=AnswerWanted() if purpose == "answer" else None,
        processing=Processing(source="x"),
    )
    now = utc_now()
    return Claimed(
        id=new_id(),
        request=request,
        raw=b"",
        origin={"topic": "fetch.requested", "partition": 0, "offset": 0, "delivery": 0},
        vendor=Vendor.model_validate(document),
        repeatable=True,
        attempt=1,
        claim=1,
        first_attempt_at=now,
        limited_since=None,
        created_at=now,
        moment=0,
    )
