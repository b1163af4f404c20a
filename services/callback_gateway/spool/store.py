"""Rows of the spool."""

from collections.abc import Sequence

import orjson

from services.callback_gateway.spool.decide import OrderKey
from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.messaging.handler import Outgoing
from shared.messaging.header_text import headers_as_text, headers_from_text

SQL = load_queries(__file__)


async def insert_messages(tx: Transaction, messages: Sequence[Outgoing]) -> None:
    """Keep messages, in order."""
    await tx.execute(
        SQL["insert_messages"],
        [message.topic for message in messages],
        [message.key for message in messages],
        [message.value for message in messages],
        [orjson.dumps(headers_as_text(message.headers)) for message in messages],
    )


async def has_messages(tx: Transaction, messages: Sequence[Outgoing]) -> bool:
    """Whether any message is kept under the topics and keys of these."""
    topics, keys = [message.topic for message in messages], [message.key for message in messages]
    return bool(await tx.fetchval(SQL["has_messages"], topics, keys))


async def count_messages(tx: Transaction, most: int) -> int:
    """How many messages are kept; of more than `most`, that many."""
    count: int = await tx.fetchval(SQL["count_messages"], most)
    return count


async def claim_messages(
    tx: Transaction, resting: Sequence[OrderKey], most: int, most_bytes: int
) -> list[tuple[int, Outgoing]]:
    """The oldest messages, locked, but none under the order keys that rest; at least one, however large."""
    topics, keys = [topic for topic, _ in resting], [key for _, key in resting]
    rows = await tx.fetch(SQL["claim_messages"], most, topics, keys, most_bytes)
    return [
        (row["id"], Outgoing(row["topic"], row["key"], row["value"], headers_from_text(row["headers"]))) for row in rows
    ]


async def delete_messages(tx: Transaction, numbers: Sequence[int]) -> None:
    """These are in the broker."""
    await tx.execute(SQL["delete_messages"], numbers)
