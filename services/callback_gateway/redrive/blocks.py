"""Many letters in blocks, each a transaction of its own: nobody waits for long for a letter that one of them holds. An
order that is cut off has done what it has done, and leaves the others as they were; given again, it does the rest. What
comes meanwhile is not part of it."""

from services.callback_gateway.redrive import store
from services.callback_gateway.redrive.store import Block, Selection, Survey, Turns
from shared.database.pool import Database
from shared.observability.logs import get_logger

log = get_logger(__name__)


async def redrive(database: Database, selection: Selection, seen: Survey, turns: Turns, *, force: bool) -> int:
    """Have all letters sent again that were seen, each in its turn; gives how many."""
    block: Block | None = Block(seen.latest_at)
    count = 0
    try:
        while block is not None:
            async with database.transaction() as tx:
                taken = await store.schedule_redrives(tx, selection, block, turns, force=force)
            count += len(taken)
            block, turns = block.behind(taken), turns.behind(taken)
    finally:
        log.info("dead_letters.redrive_asked", count=count, held=seen.held)
    return count


async def discard(database: Database, selection: Selection, seen: Survey, reason: str) -> int:
    """Put all letters away that were seen; gives how many."""
    block: Block | None = Block(seen.latest_at)
    count = 0
    try:
        while block is not None:
            async with database.transaction() as tx:
                taken = await store.discard_letters(tx, selection, block, reason)
            count += len(taken)
            block = block.behind(taken)
    finally:
        log.info("dead_letters.discarded", count=count)
    return count
