"""Rows of requested calls."""

from collections.abc import Sequence

import orjson

from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.events.envelope import Incoming
from shared.events.tasks import FetchRequested

SQL = load_queries(__file__)

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Idempotent methods (RFC 9110, section 9.2.2): they may be sent again when their outcome is unknown."""
_HARMLESS = frozenset({"deliver", "page", "metadata", "status"})
_KEY = "idempotency-key"
"""A header by which a vendor knows a repetition: with it any call may be sent again."""


async def insert_calls(tx: Transaction, batch: Sequence[Incoming[FetchRequested]]) -> None:
    """Insert calls, each known by the id of its event; `origin` is what a dead letter needs of the message."""
    await tx.execute(
        SQL["insert_calls"],
        [incoming.id for incoming in batch],
        [incoming.event.task_id for incoming in batch],
        [incoming.event.job_id for incoming in batch],
        [incoming.event.vendor for incoming in batch],
        [incoming.event.priority for incoming in batch],
        [incoming.record.value for incoming in batch],
        [_origin(incoming) for incoming in batch],
        [_is_repeatable(incoming.event) for incoming in batch],
        [incoming.event.purpose == "abort" for incoming in batch],
    )


def _is_repeatable(request: FetchRequested) -> bool:
    """Receivers know a webhook that comes again by its id, and what asks for pages or a status changes nothing: their
    POST is a search."""
    known = any(name.lower() == _KEY for name in request.call.headers) or request.purpose in _HARMLESS
    return known or request.call.method in _REPEATABLE


def _origin(incoming: Incoming[FetchRequested]) -> bytes:
    record = incoming.record
    at = record.position
    return orjson.dumps(
        {"topic": at.topic, "partition": at.partition, "offset": at.offset, "delivery": incoming.delivery}
    )
