"""vendors → the table of the same name."""

from collections.abc import Sequence

from services.fetcher.configure import store
from shared.database.pool import Transaction
from shared.events.configuration import VendorConfigured
from shared.events.envelope import Incoming, Removed
from shared.messaging.handler import Result


async def configure_vendors(tx: Transaction, batch: Sequence[Incoming[VendorConfigured | Removed]]) -> list[Result]:
    """Keep vendors as they are now; within a batch the last word counts. A new word ends a pause."""
    latest: dict[str, VendorConfigured | Removed] = {}
    for incoming in batch:
        match incoming.event:
            case VendorConfigured(vendor=vendor):
                latest[vendor.vendor] = incoming.event
            case Removed(key=key):
                latest[key] = incoming.event
    kept = {key: event.vendor for key, event in latest.items() if isinstance(event, VendorConfigured)}
    await store.upsert_vendors(tx, kept)
    await store.delete_vendors(tx, sorted(key for key, event in latest.items() if isinstance(event, Removed)))
    return []
