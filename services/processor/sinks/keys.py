"""What was new in a job whose records no table keeps: their keys are remembered instead.

Without them a vendor that sends one page again and again would seem to send new records, its job would look complete,
and a topic would carry the same records many times.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from uuid import UUID

from services.processor.model import Page
from services.processor.sinks.written import Written, tables_of
from shared.database.pool import Transaction
from shared.database.queries import changed_rows, load_queries
from shared.events.topic import WEEK

SQL = load_queries(__file__)

_STATEMENT_ROWS = 10_000
_KEEP = WEEK
"""Counted from the job's last page (an hour less, sometimes): a job that comes to no page for longer is at most counted
wrongly where the vendor repeats itself."""

Brought = tuple[UUID, str, UUID]
"""A job, the key of a record, and the task that brought it. A plain tuple, for there are many."""


async def write(tx: Transaction, pages: Sequence[Page]) -> Written:
    """Remember the keys of those pages that go to no table; gives what was new in each job."""
    pages = [page for page in pages if page.records and not tables_of(page)]
    written = Written()
    if not pages:
        return written
    # In one order, so that two transactions never wait for each other in a circle; the sort keeps the order of pages.
    rows = [(page.stored.job_id, record.key, page.stored.task_id) for page in pages for record in page.records]
    rows.sort(key=itemgetter(0, 1))
    new = 0
    for columns in _columns(rows):
        new += changed_rows(await tx.execute(SQL["insert_keys"], *columns))
    await tx.execute(SQL["upsert_keyed_jobs"], sorted({page.stored.job_id for page in pages}), _KEEP)
    written.counts.update({page.stored.task_id: len(page.records) for page in pages})
    return written if new == len(rows) else await _look(tx, pages, rows)


async def _look(tx: Transaction, pages: Sequence[Page], rows: Sequence[Brought]) -> Written:
    """Not all keys were new: ask which ones each task has brought."""
    written = Written(keys={page.stored.task_id: set() for page in pages})
    for columns in _columns(rows):
        for row in await tx.fetch(SQL["find_keys"], *columns):
            written.keys[row["task_id"]].update(row["keys"])
    written.counts.update({task_id: len(keys) for task_id, keys in written.keys.items()})
    return written


def _columns(rows: Sequence[Brought]) -> Iterator[tuple[list[UUID], list[str], list[UUID]]]:
    """Rows as columns, in portions that a statement's deadline can bear."""
    for first in range(0, len(rows), _STATEMENT_ROWS):
        portion = rows[first : first + _STATEMENT_ROWS]
        yield [row[0] for row in portion], [row[1] for row in portion], [row[2] for row in portion]
