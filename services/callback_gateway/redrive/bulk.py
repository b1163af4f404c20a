"""Redrives and discards of many letters, a page at a time. Each page is a transaction of its own, so that nothing waits
long for a letter that one of them holds. An order that is cut off has done its first pages and leaves the other letters
as they were; given again, it does the rest. Letters that come meanwhile are not part of it."""

from datetime import timedelta

from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.store import LetterPage, Selection, Survey
from shared.database.pool import Database
from shared.observability.logs import get_logger

log = get_logger(__name__)


async def redrive(database: Database, selection: Selection, seen: Survey, *, apart: timedelta, force: bool) -> int:
    """Schedule all letters of the survey to be sent again, one in each interval `apart`; returns how many."""
    page: LetterPage | None = LetterPage(seen.latest_at)
    count = 0
    try:
        while page is not None:
            async with database.transaction() as tx:
                taken = await store.schedule_redrives(tx, selection, page, apart=apart, force=force)
            count += len(taken)
            page = page.next_after(taken)
    finally:
        log.info("dead_letters.redrive_asked", count=count, held=seen.held)
    return count


async def discard(database: Database, selection: Selection, seen: Survey, reason: str) -> int:
    """Discard all letters of the survey; returns how many."""
    page: LetterPage | None = LetterPage(seen.latest_at)
    count = 0
    try:
        while page is not None:
            async with database.transaction() as tx:
                taken = await store.discard_letters(tx, selection, page, reason)
            count += len(taken)
            page = page.next_after(taken)
    finally:
        log.info("dead_letters.discarded", count=count)
    return count
