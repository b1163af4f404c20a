"""The ledger: which events a consumer group has handled, and what it sent because of them.

The key of a row is (consumer group, event id, delivery); the group has the name of its behaviour. It is written in the
transaction that handles the event, and one row of each batch carries the batch's outgoing messages, but for bundles,
which stand in the rows of their own events. A delivery that failed has its row, too, which carries the retry or the
dead letter: it must not be handled beside them. The order is: database commit, produce, offset commit.
A crash before the commit leaves nothing behind; a crash after it makes the broker deliver the same events again, and
the rows answer with the stored messages. Offsets of a batch are committed together and only after its messages were
acknowledged, so whenever any message may be missing, the row that carries it is asked again. No relay is needed.

Rows are kept for twice the topics' retention, and those of compacted topics for ever: otherwise an old document that
is read again would be fresh, and the newer one beside it known. The names of the behaviours that read such topics begin
with `configure`, which keeps their rows out of the index by time. A bundle may hold many megabytes, so its row is
emptied as soon as the broker has acknowledged all of it: from then on nothing of it can be missing.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from shared.database.pool import Database, Transaction
from shared.database.queries import changed_rows, load_queries
from shared.events.envelope import Incoming
from shared.messaging.handler import Bundle, Outgoing
from shared.messaging.header_text import headers_as_text, headers_from_text

SQL = load_queries(__file__)

_BLOCK_ROWS = 5000


Key = tuple[UUID, int]
"""An event's id and its delivery."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the row of one event says is to be sent."""

    key: Key
    messages: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """`fresh` are the events that were not handled before; `stored` is what the others sent."""

    fresh: frozenset[Key]
    stored: tuple[LedgerRow, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: the events that had none before, and what is to be sent because of all of them."""

    fresh: Sequence[Incoming[Any]]
    rows: Sequence[LedgerRow]


Decide = Callable[[Transaction, Sequence[Incoming[Any]]], Awaitable[Sequence[Outgoing | Bundle]]]
"""What becomes of fresh events: does it in the transaction, and gives what is to be sent."""


async def once(database: Database, behaviour: str, batch: Sequence[Incoming[Any]], decide: Decide) -> Outcome:
    """Runs `decide` on the events that this behaviour has not handled yet, and stores what they send in the same
    transaction. For the others it gives the messages that were stored with them.

    Raises:
        Unavailable: the database does not answer. If the commit took place all the same, the next call finds it.
    """
    async with database.transaction() as tx:
        recorded = await record_events(tx, behaviour, batch)
        fresh = [incoming for incoming in batch if (incoming.id, incoming.delivery) in recorded.fresh]
        made = _rows(fresh, await decide(tx, fresh)) if fresh else []
        await keep_outgoing(tx, behaviour, made)
    return Outcome(fresh, [*recorded.stored, *made])


async def record_events(tx: Transaction, behaviour: str, batch: Sequence[Incoming[Any]]) -> Recorded:
    """Write the batch's ids, in order, so that two transactions can never wait for each other in a circle."""
    keys = sorted({(incoming.id, incoming.delivery) for incoming in batch})
    ids, deliveries = [key[0] for key in keys], [key[1] for key in keys]
    rows = await tx.fetch(SQL["record_events"], behaviour, ids, deliveries)
    fresh = frozenset((row["event_id"], row["delivery"]) for row in rows)
    known = [key for key in keys if key not in fresh]
    if not known:
        return Recorded(fresh, ())
    found = await tx.fetch(SQL["find_outgoing"], behaviour, [key[0] for key in known], [key[1] for key in known])
    stored = [LedgerRow((row["event_id"], row["delivery"]), tuple(unpack(row["outgoing"]))) for row in found]
    return Recorded(fresh, tuple(stored))


async def keep_outgoing(tx: Transaction, behaviour: str, rows: Sequence[LedgerRow]) -> None:
    """Store what is sent in the rows of events that were recorded; it replaces what is there."""
    if rows:
        ids, deliveries = [row.key[0] for row in rows], [row.key[1] for row in rows]
        await tx.execute(SQL["keep_outgoing"], behaviour, ids, deliveries, [pack(row.messages) for row in rows])


async def forget_outgoing(database: Database, behaviour: str, keys: Sequence[Key]) -> None:
    """Drop what these rows send, once the broker has acknowledged all of it; their events stay recorded.

    Raises:
        Unavailable: the database does not answer.
    """
    await database.execute(SQL["forget_outgoing"], behaviour, [key[0] for key in keys], [key[1] for key in keys])


def _rows(fresh: Sequence[Incoming[Any]], results: Sequence[Outgoing | Bundle]) -> list[LedgerRow]:
    """Each bundle in its event's row; everything else in one row, if there is one without a bundle."""
    sent: dict[Key, list[Outgoing]] = {}
    for result in results:
        if isinstance(result, Bundle):
            sent.setdefault((result.incoming.id, result.incoming.delivery), []).extend(result.messages)
    keys = [(incoming.id, incoming.delivery) for incoming in fresh]
    carrier = next((key for key in keys if key not in sent), keys[0])
    if loose := [result for result in results if isinstance(result, Outgoing)]:
        sent.setdefault(carrier, []).extend(loose)
    return [LedgerRow(key, tuple(messages)) for key, messages in sent.items() if messages]


async def forget_events(database: Database, *, older_than: timedelta, kept: Collection[str]) -> int:
    """Delete one block of rows older than that (twice the topics' retention); returns how many were deleted. The rows
    of the behaviours in `kept` stay: their topics are compacted, and keep their last records for ever."""
    async with database.transaction() as tx:
        return changed_rows(await tx.execute(SQL["forget_events"], older_than, _BLOCK_ROWS, list(kept)))


def pack(messages: Sequence[Outgoing]) -> bytes:
    """Outgoing messages as bytes. Values are JSON text of our own making, so they are stored as text."""
    return orjson.dumps(
        [(m.topic, m.key, None if m.value is None else m.value.decode(), headers_as_text(m.headers)) for m in messages]
    )


def unpack(data: bytes) -> list[Outgoing]:
    """The messages again, byte for byte."""
    return [
        Outgoing(topic, key, None if value is None else value.encode(), headers_from_text(headers))
        for topic, key, value, headers in orjson.loads(data)
    ]
