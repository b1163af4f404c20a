"""Jobs that let a vendor do its own jobs, up to their submits."""

from typing import Any
from uuid import UUID

from shared.database.pool import Database
from shared.events.catalogue import VENDORS
from shared.events.configuration import VendorConfigured
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.specification.vendor import Vendor
from tests.integration.planner.jobs import count_vendors, requested
from tests.support.eventually import eventually
from tests.support.topic_reader import TopicReader

ACME = Vendor(vendor="acme", base_url="https://acme.example")
INVOKE: dict[str, Any] = {
    "submit": {"method": "POST", "path": "/reports", "json": {"m": "{input.m}", "url": "{callback.url}"}},
    "vendor_job": "body.id",
    "deadline": "1h",
    "heartbeat": "10m",
    "results": {
        "request": {"path": "/reports/{vendor_job}/rows"},
        "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    },
    "abort": {"method": "DELETE", "path": "/reports/{vendor_job}"},
}


def job(job_id: UUID, *inputs: str) -> Outgoing:
    """What asks for a job with a submit for each of these inputs."""
    return requested({"vendor": "acme", "invoke": INVOKE, "input": [{"m": one} for one in inputs]}, job_id)


async def released(producer: Producer, database: Database, fetches: TopicReader, job_id: UUID) -> list[dict[str, Any]]:
    """Two submits on their way to the fetcher."""
    await producer.send([outgoing(VENDORS, "acme", VendorConfigured(vendor=ACME))])
    await eventually(lambda: count_vendors(database), 30)
    await producer.send([job(job_id, "a", "b")])
    await eventually(lambda: len(fetches.values) == 2, 30)
    return sorted(fetches.values, key=lambda call: int(call["number"]))
