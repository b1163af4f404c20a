"""Rows of the read models."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson
from pydantic_core import to_json

from services.callback_gateway.clocks import ALMOST
from services.callback_gateway.redrive.decide import closed_round, times_redriven
from services.callback_gateway.views.decide import TaskView, sinks_of
from shared.database.pool import Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_json, storable_text
from shared.events.dead_letters import DeadLetter
from shared.events.envelope import Incoming
from shared.events.jobs import JobAccepted, JobEnded, JobEvent, JobPlanned, JobProgressed, JobRejected
from shared.events.tasks import VendorAnswer

SQL = load_queries(__file__)

_EVENTS_KEPT = 1000


async def accept_jobs(tx: Transaction, events: Sequence[JobAccepted]) -> None:
    """Jobs that the planner has."""
    if events:
        ordered = sorted(events, key=lambda event: event.job_id)
        await tx.execute(
            SQL["accept_jobs"],
            [event.job_id for event in ordered],
            [event.kind for event in ordered],
            [event.vendor for event in ordered],
            [event.source for event in ordered],
            [event.at for event in ordered],
            [storable_json(orjson.dumps(sinks_of(event))) for event in ordered],
            [event.correlation_id for event in ordered],
        )


async def reject_jobs(tx: Transaction, events: Sequence[JobRejected]) -> None:
    """Jobs whose specification has mistakes."""
    if events:
        ordered = sorted(events, key=lambda event: event.job_id)
        await tx.execute(
            SQL["reject_jobs"],
            [event.job_id for event in ordered],
            [_mistakes(event) for event in ordered],
            [event.at for event in ordered],
            [event.correlation_id for event in ordered],
        )


def _mistakes(event: JobRejected) -> bytes:
    return storable_json(orjson.dumps(event.mistakes))


async def plan_jobs(tx: Transaction, events: Sequence[JobPlanned]) -> None:
    """How much there is to do; one event for each job, in the order of their ids."""
    if events:
        await tx.execute(
            SQL["plan_jobs"],
            [event.job_id for event in events],
            [event.tasks for event in events],
            [event.records for event in events],
            [storable_text(event.note) for event in events],
            [event.all_known for event in events],
        )


async def progress_jobs(tx: Transaction, events: Sequence[JobProgressed]) -> set[UUID]:
    """Where jobs stand; gives those for which it was news."""
    if not events:
        return set()
    ordered = sorted(events, key=lambda event: event.job_id)
    return {row["id"] for row in await tx.fetch(SQL["progress_jobs"], *_counts(ordered), ALMOST)}


async def end_jobs(tx: Transaction, events: Sequence[JobEnded]) -> None:
    """Jobs that are over."""
    if events:
        ordered = sorted(events, key=lambda event: event.job_id)
        await tx.execute(
            SQL["end_jobs"],
            *_counts(ordered),
            [storable_text(event.reason) for event in ordered],
            [event.expected for event in ordered],
            [event.complete for event in ordered],
            [None if event.answer is None else storable_json(_answer(event.answer)) for event in ordered],
            [None if event.failures is None else storable_json(to_json(event.failures)) for event in ordered],
            [event.dead for event in ordered],
            [event.expired for event in ordered],
            ALMOST,
        )


def _answer(answer: VendorAnswer) -> bytes:
    return answer.model_dump_json(exclude_none=True).encode()


def _counts(events: Sequence[JobProgressed] | Sequence[JobEnded]) -> tuple[list[object], ...]:
    return (
        [event.job_id for event in events],
        [event.state.value for event in events],
        [event.counts.planned for event in events],
        [event.counts.completed for event in events],
        [event.counts.failed for event in events],
        [event.counts.cancelled for event in events],
        [event.counts.records for event in events],
        [event.counts.distinct for event in events],
        [event.at for event in events],
    )


async def insert_events(tx: Transaction, events: Sequence[JobEvent]) -> None:
    """Keep events for those who follow a job. Of progress only the latest is worth keeping."""
    if not events:
        return
    await tx.execute(SQL["delete_progress"], sorted({e.job_id for e in events if isinstance(e, JobProgressed)}))
    await tx.execute(
        SQL["insert_events"],
        [event.job_id for event in events],
        [event.ce_type for event in events],
        [storable_json(event.model_dump_json().encode()) for event in events],
    )
    await tx.execute(SQL["trim_events"], sorted({event.job_id for event in events}), _EVENTS_KEPT)


async def upsert_tasks(tx: Transaction, views: Sequence[TaskView]) -> None:
    """Tasks as the batch leaves them, merged into what is known."""
    await tx.execute(
        SQL["upsert_tasks"],
        [view.id for view in views],
        [view.job_id for view in views],
        [view.number for view in views],
        [view.round for view in views],
        [view.state for view in views],
        [view.rank for view in views],
        [view.records for view in views],
        [storable_text(view.reason) for view in views],
        [storable_json(orjson.dumps(view.attempts)) for view in views],
        [orjson.dumps(view.times) for view in views],
        [view.changed_at for view in views],
        [None if view.vendor_job is None else storable_text(view.vendor_job) for view in views],
    )


async def lock_letters(tx: Transaction, *, alone: bool) -> None:
    """Letters come from other topics than the tasks that they closed; whoever is second sees what the first wrote."""
    await tx.execute(SQL["lock_letters"], alone)


async def insert_dead_letters(tx: Transaction, batch: Sequence[Incoming[DeadLetter]]) -> None:
    """Dead letters, by the ids of the events that brought them."""
    ordered = sorted(batch, key=lambda incoming: incoming.id)
    await tx.execute(
        SQL["insert_dead_letters"],
        [incoming.id for incoming in ordered],
        [storable_text(incoming.event.service) for incoming in ordered],
        [storable_text(incoming.event.original.topic) for incoming in ordered],
        [storable_text(incoming.event.reason) for incoming in ordered],
        [incoming.event.job_id for incoming in ordered],
        [incoming.event.task_id for incoming in ordered],
        [incoming.event.at for incoming in ordered],
        [storable_json(incoming.event.model_dump_json().encode()) for incoming in ordered],
        [closed_round(incoming.event) for incoming in ordered],
        [times_redriven(incoming.event) for incoming in ordered],
        [bool(incoming.event.original.left_out) for incoming in ordered],
    )


async def close_letters(tx: Transaction, rounds: Mapping[UUID, int]) -> None:
    """Closes the letters of tasks that were planned again, of rounds before these."""
    if rounds:
        await tx.execute(SQL["close_letters"], list(rounds), list(rounds.values()))
