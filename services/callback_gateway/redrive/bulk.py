"""Redrives and discards of many letters, a page at a time. Each page is a transaction of its own, so that nothing waits
long for a letter that one of them holds. An order that is cut off has done its first pages and leaves the other letters
as they were; given again, it does the rest. Letters that come meanwhile are not part of it.

One request does so many pages that it is answered in seconds; its answer says where the rest begins and ends."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.model import Turns
from services.callback_gateway.redrive.store import LetterPage, Selection, Survey
from shared.database.pool import Database, Row, Transaction
from shared.observability.logs import get_logger

MOST_PAGES = 5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """How many letters were taken, and where the rest is: at the first time or later, and before the second."""

    count: int
    rest: tuple[datetime, datetime] | None = None


async def redrive(database: Database, selection: Selection, seen: Survey, *, turns: Turns, force: bool) -> Taken:
    """Schedule letters of the survey to be sent again."""

    async def take(tx: Transaction, page: LetterPage) -> list[Row]:
        return await store.schedule_redrives(tx, selection, page, turns=turns, force=force)

    return await _take(database, seen, take, "dead_letters.redrive_asked")


async def discard(database: Database, selection: Selection, seen: Survey, reason: str) -> Taken:
    """Discard letters of the survey."""

    async def take(tx: Transaction, page: LetterPage) -> list[Row]:
        return await store.discard_letters(tx, selection, page, reason)

    return await _take(database, seen, take, "dead_letters.discarded")


async def _take(
    database: Database,
    seen: Survey,
    take: Callable[[Transaction, LetterPage], Awaitable[Sequence[Row]]],
    log_event: str,
) -> Taken:
    page, count = LetterPage(seen.latest_at), 0
    try:
        for _ in range(MOST_PAGES):
            async with database.transaction() as tx:
                taken = await take(tx, page)
            count += len(taken)
            following = page.next_after(taken)
            if following is None:
                return Taken(count)
            page = following
    finally:
        log.info(log_event, count=count, held=seen.held)
    return Taken(count, page.rest)
