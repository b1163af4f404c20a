"""A compacted topic → a service's own table of the same name, and its documents read again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from shared.database.pool import Transaction
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured, named
from shared.events.envelope import Incoming, Removed
from shared.messaging.handler import Handler, Result
from shared.observability.logs import get_logger
from shared.specification.values import Strict

D = TypeVar("D")
M = TypeVar("M", bound=Strict)

log = get_logger(__name__)

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


def read_latest(kind: type[M], name: str, document: bytes) -> M | None:
    """A document of such a table; nothing, if an older release took what this one cannot read. That is told, and holds
    back nobody else."""
    try:
        return kind.model_validate_json(document)
    except ValidationError as error:
        log.error("configuration.unreadable", kind=kind.__name__.lower(), name=name, mistakes=error.error_count())
        return None
