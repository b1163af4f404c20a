"""A compacted topic → a service's own table of the same name."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from shared.database.pool import Transaction
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured, named
from shared.events.envelope import Incoming, Removed
from shared.messaging.handler import Handler, Result

D = TypeVar("D")

Configuration = VendorConfigured | SourceConfigured | HookConfigured | Removed


def keep_latest(
    upsert: Callable[[Transaction, Mapping[str, D]], Awaitable[None]],
    delete: Callable[[Transaction, Sequence[str]], Awaitable[None]],
) -> Handler[Any]:
    """A handler that keeps documents as they are now; within a batch the last word on a name counts."""

    async def handle(tx: Transaction, batch: Sequence[Incoming[Configuration]]) -> list[Result]:
        latest: dict[str, Any] = {}
        for incoming in batch:
            match incoming.event:
                case Removed(key=key):
                    latest[key] = None
                case event:
                    latest.update([named(event)])
        await upsert(tx, {name: document for name, document in latest.items() if document is not None})
        await delete(tx, [name for name, document in latest.items() if document is None])
        return []

    return handle
