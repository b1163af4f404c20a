"""Rows of requested calls."""

from collections.abc import Sequence

import orjson

from services.fetcher.enqueue.decide import is_repeatable
from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.events.envelope import Incoming
from shared.events.tasks import FetchRequested

SQL = load_queries(__file__)


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
        [is_repeatable(incoming.event) for incoming in batch],
        [incoming.event.purpose == "abort" for incoming in batch],
    )


def _origin(incoming: Incoming[FetchRequested]) -> bytes:
    record = incoming.record
    at = record.position
    return orjson.dumps(
        {"topic": at.topic, "partition": at.partition, "offset": at.offset, "delivery": incoming.delivery}
    )
