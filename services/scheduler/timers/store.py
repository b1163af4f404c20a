"""Rows of timers."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import orjson

from services.scheduler.model import Timer
from shared.database.pool import Row, Transaction
from shared.database.queries import changed_rows, load_queries
from shared.messaging.handler import Outgoing
from shared.messaging.header_text import headers_as_text, headers_from_text

SQL = load_queries(__file__)


async def insert_timers(tx: Transaction, timers: Sequence[Timer]) -> int:
    """Set timers; one that is set already stays as it is. Gives how many are new."""
    if not timers:
        return 0
    ordered = sorted(timers, key=lambda timer: timer.id)
    status = await tx.execute(
        SQL["insert_timers"],
        [timer.id for timer in ordered],
        [timer.due_at for timer in ordered],
        [timer.message.topic for timer in ordered],
        [timer.message.key.encode("utf-8", errors="surrogateescape") for timer in ordered],
        [timer.message.value for timer in ordered],
        [orjson.dumps(headers_as_text(timer.message.headers)) for timer in ordered],
    )
    return changed_rows(status)


async def delete_timers(tx: Transaction, ids: Sequence[UUID]) -> int:
    """Delete timers; gives how many there were."""
    if not ids:
        return 0
    return changed_rows(await tx.execute(SQL["delete_timers"], ids))


async def postpone_timers(tx: Transaction, ids: Sequence[UUID], seconds: float) -> None:
    """Let timers be due again a little later."""
    if ids:
        await tx.execute(SQL["postpone_timers"], ids, timedelta(seconds=seconds))


async def claim_due(tx: Transaction, most: int, most_bytes: int) -> list[tuple[Timer, float]]:
    """The timers whose time has come, locked, the earliest first, each with its lateness in seconds; at least one,
    however large."""
    return [(_timer(row), row["lateness"]) for row in await tx.fetch(SQL["claim_due"], most, most_bytes)]


async def find_pause(tx: Transaction) -> float:
    """Seconds until the next timer is due, negative if it is overdue; a minute if there is none."""
    pause: float = await tx.fetchval(SQL["find_pause"])
    return pause


async def count_pending(tx: Transaction) -> int:
    """About how many timers there are."""
    count: int = await tx.fetchval(SQL["count_pending"])
    return count


def _timer(row: Row) -> Timer:
    key = row["key"].decode("utf-8", errors="surrogateescape")
    message = Outgoing(row["topic"], key, row["value"], headers_from_text(orjson.loads(row["headers"])))
    return Timer(row["id"], row["due_at"], message)
