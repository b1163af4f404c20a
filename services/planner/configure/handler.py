"""vendors, sources, hooks → tables of the same names."""

from collections.abc import Sequence

from services.planner.configure import store
from shared.database.pool import Transaction
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured
from shared.events.envelope import Incoming, Removed
from shared.messaging.handler import Result


async def configure_vendors(tx: Transaction, batch: Sequence[Incoming[VendorConfigured | Removed]]) -> list[Result]:
    """Keep vendors as they are now; within a batch the last word counts."""
    latest = {_key(incoming): incoming.event for incoming in batch}
    kept = {key: event.vendor for key, event in latest.items() if isinstance(event, VendorConfigured)}
    await store.upsert_vendors(tx, kept)
    await store.delete_vendors(tx, [key for key, event in latest.items() if isinstance(event, Removed)])
    return []


async def configure_sources(tx: Transaction, batch: Sequence[Incoming[SourceConfigured | Removed]]) -> list[Result]:
    """Keep sources as they are now; within a batch the last word counts."""
    latest = {_key(incoming): incoming.event for incoming in batch}
    kept = {key: event.source for key, event in latest.items() if isinstance(event, SourceConfigured)}
    await store.upsert_sources(tx, kept)
    await store.delete_sources(tx, [key for key, event in latest.items() if isinstance(event, Removed)])
    return []


async def configure_hooks(tx: Transaction, batch: Sequence[Incoming[HookConfigured | Removed]]) -> list[Result]:
    """Keep hooks as they are now; within a batch the last word counts."""
    latest = {_key(incoming): incoming.event for incoming in batch}
    kept = {key: event.hook for key, event in latest.items() if isinstance(event, HookConfigured)}
    await store.upsert_hooks(tx, kept)
    await store.delete_hooks(tx, [key for key, event in latest.items() if isinstance(event, Removed)])
    return []


def _key(incoming: Incoming[VendorConfigured | SourceConfigured | HookConfigured | Removed]) -> str:
    match incoming.event:
        case VendorConfigured(vendor=vendor):
            return vendor.vendor
        case SourceConfigured(source=source):
            return source.source
        case HookConfigured(hook=hook):
            return hook.hook
        case Removed(key=key):
            return key
