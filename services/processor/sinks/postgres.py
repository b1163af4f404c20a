"""The default sink: upsert by (source, key) into tables of the schema `records`, set-based.

Within one job the first record of a key counts: a row that this job has written already is left alone, which also
tells how many records of a page were new in the job. A row knows the last two jobs that wrote it, and their tasks, so
that this holds for two jobs of a source that run at the same time, and for a page that is redriven after the next job.
If two jobs bring a key, the record that was fetched later stays, whichever is processed last: a redriven page does not
bring back old values.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import itemgetter
from uuid import UUID

from services.processor.metrics import RECORDS
from services.processor.model import Page
from services.processor.sinks.written import Written, goes_to_topic, tables_of
from shared.database.pool import Transaction
from shared.database.queries import changed_rows, load_queries
from shared.database.users_tables import short_waits, users_table

SQL = load_queries(__file__)

_STATEMENT_ROWS = 10_000
_STATEMENT_BYTES = 16 * 1024**2

TableRecord = tuple[str, str, int, bytes]
"""A record for a table: source, key, the number of its page from 1, JSON text. A plain tuple, for there are many."""


async def write(tx: Transaction, pages: Sequence[Page]) -> Written:
    """Upsert all pages; gives what was new in each job (in the first table of each page).

    Raises:
        TableBusy: as `users_table`, for one of the tables.
        RefusedByTarget: one of the tables refuses a record, or is none that records can be written to.
    """
    by_table: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        for table in tables_of(page):
            by_table[table].append(page)
    written = Written()
    if not by_table:
        return written
    tables = sorted(by_table)
    missing = await _lock_missing(tx, tables)
    async with short_waits(tx):
        for table in tables:
            with users_table(table, "sink_refused"):
                if table in missing:
                    await tx.execute(SQL["create_records"].replace("{table}", table))
                await _write_table(tx, table, by_table[table], written)
        await _check_deferred(tx, tables)
    return written


async def _check_deferred(tx: Transaction, tables: Sequence[str]) -> None:
    """Check the deferred constraints now: a failure at the commit would look like a defect. All tables are written by
    then, as a row of one may refer to a row of another. Where there are several, each is checked for itself, so that
    its failure is known to be its own; then what their triggers wrote elsewhere."""
    if len(tables) > 1:
        for row in await tx.fetch(SQL["find_deferrable"], tables):
            with users_table(row["table"], "sink_refused"):
                await tx.execute(f"SET CONSTRAINTS {row['constraints']} IMMEDIATE")
    with users_table(tables[0], "sink_refused"):
        await tx.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def _write_table(tx: Transaction, table: str, pages: Sequence[Page], written: Written) -> None:
    for share in _shares(pages):
        of_share = await _upsert(tx, table, share)
        first = [page.stored.task_id for page in share if tables_of(page)[0] == table]
        written.counts.update({task: of_share.counts[task] for task in first})
        written.keys.update({task: of_share.keys[task] for task in first if task in of_share.keys})


def _shares(pages: Sequence[Page]) -> list[list[Page]]:
    """Nearly always all pages at once. Where a source is loaded by several jobs at the same time, one share for each,
    so that each job counts its own records."""
    jobs: dict[str, list[UUID]] = defaultdict(list)
    shares: list[list[Page]] = []
    for page in pages:
        of_source = jobs[page.stored.processing.source]
        if page.stored.job_id not in of_source:
            of_source.append(page.stored.job_id)
        place = of_source.index(page.stored.job_id)
        if place == len(shares):
            shares.append([])
        shares[place].append(page)
    return shares


async def _upsert(tx: Transaction, table: str, pages: Sequence[Page]) -> Written:
    brought = _brought(pages)
    rows = _first(brought)
    sources = [page.stored.processing.source for page in pages]
    jobs, tasks = [page.stored.job_id for page in pages], [page.stored.task_id for page in pages]
    correlations = [page.stored.correlation_id for page in pages]
    fetched = [page.stored.fetched_at for page in pages]
    upsert = SQL["upsert_records"].replace("{table}", table)
    taken = 0
    for keys, records, places in _statements(rows):
        status = await tx.execute(upsert, keys, records, places, sources, jobs, tasks, fetched, correlations)
        taken += changed_rows(status)
    written = Written()
    written.counts.update({page.stored.task_id: len(page.records) for page in pages})
    RECORDS.labels(sink="postgres", fate="written").inc(taken)
    RECORDS.labels(sink="postgres", fate="repeated").inc(written.counts.total() - taken)
    return written if written.counts.total() == taken else await _look(tx, table, pages, brought)


async def _look(tx: Transaction, table: str, pages: Sequence[Page], rows: Sequence[TableRecord]) -> Written:
    """Not all records were new: ask which ones the table has from each task. All that were brought are asked for: when
    pages come again in another order, the first of a key now is not the one that was first then."""
    find = SQL["find_written"].replace("{table}", table)
    sources, tasks = [page.stored.processing.source for page in pages], [page.stored.task_id for page in pages]
    wanted = [goes_to_topic(page) for page in pages]
    written = Written(keys={page.stored.task_id: set() for page in pages if goes_to_topic(page)})
    for row in await tx.fetch(find, [row[1] for row in rows], [row[2] for row in rows], sources, tasks, wanted):
        written.counts[row["task_id"]] += row["written"]
        if row["keys"] is not None:
            written.keys[row["task_id"]].update(row["keys"])
    return written


def _brought(pages: Sequence[Page]) -> list[TableRecord]:
    """All records, in one order, so that two transactions seldom wait for each other in a circle."""
    rows = [
        (page.stored.processing.source, record.key, place, record.text)
        for place, page in enumerate(pages, 1)
        for record in page.records
    ]
    rows.sort(key=itemgetter(0, 1, 2))
    return rows


def _first(rows: list[TableRecord]) -> list[TableRecord]:
    """The first record of each (source, key)."""
    if len(set(map(itemgetter(0, 1), rows))) < len(rows):
        return list({row[:2]: row for row in reversed(rows)}.values())[::-1]
    return rows


def _statements(rows: Sequence[TableRecord]) -> Iterator[tuple[list[str], bytes, list[int]]]:
    """Rows as columns, in portions that a statement's deadline and the server's memory can bear."""
    for portion in _portions(rows):
        records = b"[" + b",".join([row[3] for row in portion]) + b"]"
        yield [row[1] for row in portion], records, [row[2] for row in portion]


def _portions(rows: Sequence[TableRecord]) -> Iterator[Sequence[TableRecord]]:
    if len(rows) <= _STATEMENT_ROWS and sum(len(row[3]) for row in rows) <= _STATEMENT_BYTES:
        yield rows
        return
    first, size = 0, 0
    for number, row in enumerate(rows):
        size += len(row[3])
        if number > first and (number - first == _STATEMENT_ROWS or size > _STATEMENT_BYTES):
            yield rows[first:number]
            first, size = number, len(row[3])
    yield rows[first:]


async def _lock_missing(tx: Transaction, tables: Sequence[str]) -> set[str]:
    """The tables that are not there. Their names are locked, so that one transaction at a time creates a table; the
    others wait for it, which takes no longer than one of its batches."""
    missing = {table for table in tables if await tx.fetchval(SQL["find_table"], table) is None}
    for table in sorted(missing):
        await tx.execute(SQL["lock_table_name"], table)
    return missing
