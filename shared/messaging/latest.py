"""A compacted topic → a service's own table of the same name, and its documents read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from shared.database.pool import Transaction
from shared.database.storable import storable_json
from shared.errors import Rejected
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured, named
from shared.events.envelope import Incoming, Removed
from shared.messaging.handler import Result
from shared.observability.logs import get_logger
from shared.specification.values import Strict

M = TypeVar("M", bound=Strict)

log = get_logger(__name__)

Configuration = VendorConfigured | SourceConfigured | HookConfigured | Removed


@dataclass(frozen=True)
class Latest:
    """Documents as they are now. `upsert` takes names text[] and documents json[], `delete` takes names; `after` an
    upsert come statements that take names, too."""

    upsert: str
    delete: str
    after: tuple[str, ...] = ()

    async def handle(self, tx: Transaction, batch: Sequence[Incoming[Configuration]]) -> list[Result]:
        """Keep the last word of a batch on each name."""
        latest: dict[str, Strict | None] = {}
        for incoming in batch:
            match incoming.event:
                case Removed(key=key):
                    latest[key] = None
                case event:
                    latest.update([named(event)])
        await self.put(tx, {name: document for name, document in latest.items() if document is not None})
        await self.remove(tx, [name for name, document in latest.items() if document is None])
        return []

    async def put(self, tx: Transaction, documents: Mapping[str, Strict]) -> None:
        """Insert or replace documents.

        Raises:
            Rejected: a document has a NUL character. Over HTTP none has; Postgres would keep it, and then fail in every
                statement that looks into any of the documents.
        """
        if documents:
            names = sorted(documents)
            texts = [documents[name].model_dump_json(by_alias=True).encode() for name in names]
            if any(storable_json(text) != text for text in texts):
                raise Rejected("unstorable_value", "the document has a NUL character")
            await tx.execute(self.upsert, names, texts)
            for statement in self.after:
                await tx.execute(statement, names)

    async def remove(self, tx: Transaction, names: Sequence[str]) -> None:
        """Delete documents."""
        if names:
            await tx.execute(self.delete, sorted(names))


def read_latest(kind: type[M], name: str, document: bytes) -> M | None:
    """A document of such a table; None if an older release accepted what this one cannot read. That is logged, and
    holds back no other document."""
    try:
        return kind.model_validate_json(document)
    except ValidationError as error:
        log.error("configuration.unreadable", kind=kind.__name__.lower(), name=name, mistakes=error.error_count())
        return None
