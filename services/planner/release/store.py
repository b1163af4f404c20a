"""Rows of the release window."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.planner.model import PRIORITIES, Resolved
from services.planner.release.decide import Backlog, ReleaseQuota, Turn, VendorLoad
from services.planner.rows import read_specification
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.messaging.latest import read_latest
from shared.specification.vendor import Vendor

SQL = load_queries(__file__)

_NOBODY = UUID(int=0)
_MOST_BYTES = 8 * 2**20
"""Of the calls of one window. They are held several times until they are sent, which must not take long either: rows
are locked meanwhile."""


async def find_loads(tx: Transaction, unprocessed_most: int) -> list[VendorLoad]:
    """Vendors with planned tasks. More than so many pages of a job that wait to be processed are a heap."""
    rows = await tx.fetch(SQL["find_loads"], unprocessed_most)
    return [
        VendorLoad(
            vendor=row["vendor"],
            outstanding=row["outstanding"],
            retrying=dict(zip(row["retrying_jobs"], row["retrying"], strict=True)),
            unprocessed=row["unprocessed"],
            heaped=tuple(row["heaped_jobs"]),
        )
        for row in rows
    ]


async def count_backlog(tx: Transaction) -> dict[str, Backlog]:
    """What waits, by vendor; one for which nothing waits is not there."""
    rows = await tx.fetch(SQL["count_backlog"])
    return {row["vendor"]: Backlog(row["planned"], row["outstanding"]) for row in rows}


async def find_vendors(tx: Transaction, ids: Sequence[str]) -> dict[str, Vendor]:
    """Vendors by name; an ad-hoc one is not among them, nor is one that an older release wrote down in its own way."""
    rows = await tx.fetch(SQL["find_vendors"], ids)
    read = {row["id"]: read_latest(Vendor, row["id"], row["document"]) for row in rows}
    return {name: vendor for name, vendor in read.items() if vendor is not None}


async def claim_window(
    tx: Transaction, quotas: Mapping[str, ReleaseQuota], served: Mapping[Turn, UUID] | None = None
) -> list[Row]:
    """Lock the next tasks of each vendor: by priority, then one of each job in turn, behind the job `served` last.
    Jobs that are full are passed over. Large calls go out in several windows."""
    turns = [(vendor, priority) for vendor in quotas for priority in sorted(PRIORITIES.values())]
    if not turns:
        return []
    rows: list[Row] = await tx.fetch(
        SQL["claim_window"],
        [vendor for vendor, _ in turns],
        [priority for _, priority in turns],
        [quotas[vendor].free for vendor, _ in turns],
        [(served or {}).get(turn, _NOBODY) for turn in turns],
        [job_id for quota in quotas.values() for job_id in quota.full],
        _MOST_BYTES,
    )
    return rows


async def find_specifications(tx: Transaction, job_ids: Sequence[UUID]) -> tuple[dict[object, Resolved], list[UUID]]:
    """What these jobs run with, and those that this release cannot read."""
    read = {row["id"]: read_specification(row) for row in await tx.fetch(SQL["find_specifications"], job_ids)}
    found: dict[object, Resolved] = {job_id: one for job_id, one in read.items() if one is not None}
    return found, [job_id for job_id, one in read.items() if one is None]


async def mark_released(tx: Transaction, deadlines: Mapping[UUID, datetime | None]) -> None:
    """These are on their way to the fetcher, each with the end of its wait, if it is to wait for something."""
    ids = sorted(deadlines)
    await tx.execute(SQL["mark_released"], ids, [deadlines[task_id] for task_id in ids])
