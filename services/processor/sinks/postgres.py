"""The default sink: upsert by (source, key) into tables of the schema `records`, one statement a table.

Within one job the first record of a key counts: a row that this job has written already is left alone, which also
tells how many records of a page were new in the job.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from services.processor.metrics import RECORDS
from services.processor.model import Page
from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.specification.source import PostgresSink

SQL = load_queries(__file__)
_made: set[str] = set()


def tables_of(page: Page) -> tuple[str, ...]:
    """The tables that a page goes to."""
    return tuple(sink.table for sink in page.stored.processing.sinks if isinstance(sink, PostgresSink))


async def write(tx: Transaction, pages: Sequence[Page]) -> Counter[UUID]:
    """Upsert all pages; gives for each task how many records were new in its job (in the first of its tables)."""
    by_table: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        for table in tables_of(page):
            by_table[table].append(page)
    written: Counter[UUID] = Counter()
    for table in sorted(by_table):
        counts = await _upsert(tx, table, by_table[table])
        RECORDS.labels(sink="postgres", fate="written").inc(counts.total())
        for page in by_table[table]:
            if tables_of(page)[0] == table:
                written[page.stored.task_id] += counts[page.stored.task_id]
    return written


async def _upsert(tx: Transaction, table: str, pages: Sequence[Page]) -> Counter[UUID]:
    await _ensure_table(tx, table)
    rows = _rows(pages)
    sources = [page.stored.processing.source for page in pages]
    jobs, tasks = [page.stored.job_id for page in pages], [page.stored.task_id for page in pages]
    upsert = SQL["upsert_records"].replace("{table}", table)
    status = await tx.execute(upsert, rows.keys, rows.records, rows.places, sources, jobs, tasks)
    if int(status.rsplit(" ", 1)[1]) == sum(len(page.items) for page in pages):
        return Counter({page.stored.task_id: len(page.items) for page in pages})
    count = SQL["count_records"].replace("{table}", table)
    found = await tx.fetch(count, rows.keys, rows.places, sources, tasks)
    return Counter({row["task_id"]: row["written"] for row in found})


class _Rows(NamedTuple):
    """Records as columns, in the order of their keys; a place is the number of a page, from 1."""

    keys: list[str]
    records: list[bytes]
    places: list[int]


def _rows(pages: Sequence[Page]) -> _Rows:
    """One row for each (source, key), all in one order, so that two transactions never wait for each other in a circle.
    Of one job the first record of a key counts, of several jobs the newest, as if one came after the other."""
    rows = [
        (page.stored.processing.source, item.key, place, item.record)
        for place, page in enumerate(pages, 1)
        for item in page.items
    ]
    rows.sort(key=lambda row: row[:3])
    if any(row[:2] == following[:2] for row, following in pairwise(rows)):
        rows = _distinct(rows, [page.stored.job_id for page in pages])
    return _Rows([row[1] for row in rows], [row[3] for row in rows], [row[2] for row in rows])


Row = tuple[str, str, int, bytes]


def _distinct(rows: Sequence[Row], jobs: Sequence[UUID]) -> list[Row]:
    kept: dict[tuple[str, str], Row] = {}
    for row in rows:
        before = kept.get(row[:2])
        if before is None or jobs[before[2] - 1] != jobs[row[2] - 1]:
            kept[row[:2]] = row
    return list(kept.values())


async def _ensure_table(tx: Transaction, table: str) -> None:
    """Create the table when it is used for the first time. Its name was checked with the specification."""
    if table in _made:
        return
    if not table.isidentifier() or not table.islower():
        raise ValueError(f"not a table's name: {table!r}")
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"records.{table}")
    if await tx.fetchval("SELECT to_regclass($1)", f"records.{table}") is None:
        await tx.execute(SQL["create_records"].replace("{table}", table))
    else:
        _made.add(table)
