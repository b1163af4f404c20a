"""The default sink: upsert by (source, key) into tables of the schema `records`, one statement a table.

Within one job the first record of a key counts: a row that this job has written already is left alone, which also
tells how many records of a page were new in the job.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from services.processor.metrics import RECORDS
from services.processor.model import Item, Page
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
    rows = _distinct(pages)
    if not rows:
        return Counter()
    ordered = sorted(rows)
    found = await tx.fetch(
        SQL["upsert_records"].replace("{table}", table),
        [source for source, _ in ordered],
        [key for _, key in ordered],
        [rows[place][1].record for place in ordered],
        [rows[place][0].stored.job_id for place in ordered],
        [rows[place][0].stored.task_id for place in ordered],
    )
    return Counter({row["task_id"]: row["written"] for row in found})


def _distinct(pages: Sequence[Page]) -> dict[tuple[str, str], tuple[Page, Item]]:
    """One row for each (source, key): of one job the first, of several jobs the newest, as one after the other."""
    rows: dict[tuple[str, str], tuple[Page, Item]] = {}
    for page in pages:
        source, job_id = page.stored.processing.source, page.stored.job_id
        for item in page.items:
            before = rows.get((source, item.key))
            if before is None or before[0].stored.job_id != job_id:
                rows[source, item.key] = (page, item)
    return rows


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
