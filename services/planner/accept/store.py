"""Rows of accepted jobs."""

from collections.abc import Sequence
from uuid import UUID

from services.planner.accept.decide import Admitted, Configured
from services.planner.rows import insert_tasks
from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.messaging.latest import read_latest
from shared.specification.source import Source

SQL = load_queries(__file__)


async def find_configuration(tx: Transaction, names: Sequence[tuple[str, str]]) -> Configured:
    """The sources and vendors of these names, and the vendors of those sources."""
    sources = sorted({source for source, _ in names if source})
    rows = await tx.fetch(SQL["find_sources"], sources)
    read = {row["id"]: read_latest(Source, row["id"], row["document"]) for row in rows}
    found = {name: source for name, source in read.items() if source is not None}
    vendors = {vendor for _, vendor in names if vendor} | {source.vendor for source in found.values()}
    rows = await tx.fetch(SQL["find_vendors"], sorted(vendors))
    unreadable = frozenset(read.keys() - found.keys())
    return Configured({row["id"]: row["document"] for row in rows}, found, unreadable)


async def insert_jobs(tx: Transaction, jobs: Sequence[Admitted]) -> list[UUID]:
    """Insert the jobs that are new, with their tasks; gives their ids."""
    if not jobs:
        return []
    ordered = sorted(jobs, key=lambda job: job.job_id)
    rows = await tx.fetch(
        SQL["insert_jobs"],
        [job.job_id for job in ordered],
        [job.resolved.vendor for job in ordered],
        [job.resolved.priority for job in ordered],
        [job.resolved_json for job in ordered],
        [len(job.tasks) for job in ordered],
        [job.step.expected for job in ordered],
        [job.step.all_planned for job in ordered],
    )
    new = {row["id"] for row in rows}
    tasks = [(job.resolved.vendor, task) for job in ordered if job.job_id in new for task in job.tasks]
    await insert_tasks(tx, tasks)
    return [job.job_id for job in ordered if job.job_id in new]


async def find_jobs(tx: Transaction, job_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these ids that are of jobs."""
    rows = await tx.fetch(SQL["find_jobs"], job_ids)
    return frozenset(row["id"] for row in rows)
