"""Rows of tasks that wait and of callbacks."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.callback_gateway.clocks import ALMOST
from services.callback_gateway.match.decide import Expectation, Judged, Missed
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.events.dead_letters import DeadLetter
from shared.specification.vendor import Callbacks

SQL = load_queries(__file__)


async def lock_keys(tx: Transaction, keys: Sequence[str]) -> None:
    """Lock what is about to be decided. Two transactions that each look for the other's row would otherwise both find
    nothing; every transaction takes these locks first, and in the same order."""
    numbers = {int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True) for key in keys}
    await tx.execute(SQL["lock_keys"], sorted(numbers))


async def find_expectations(tx: Transaction, callbacks: Iterable[CallbackReceived]) -> list[Expectation]:
    """The tasks that these callbacks may be for, locked."""
    found = list(callbacks)
    tasks = sorted({one.task_id for one in found if one.task_id is not None})
    named = sorted({(one.vendor, one.vendor_job) for one in found if one.task_id is None and one.vendor_job})
    rows = await tx.fetch(SQL["find_expectations"], tasks, [vendor for vendor, _ in named], [job for _, job in named])
    return [_expectation(row) for row in rows]


async def upsert_expectations(
    tx: Transaction, events: Sequence[CallbackExpected], since: Mapping[UUID, datetime]
) -> list[Expectation]:
    """Tasks that wait, or no longer do, with when their submits could leave; gives them as they are now."""
    rows = await tx.fetch(
        SQL["upsert_expectations"],
        [event.task_id for event in events],
        [event.job_id for event in events],
        [event.number for event in events],
        [event.round for event in events],
        [event.vendor for event in events],
        [event.rules.model_dump_json(exclude_defaults=True).encode() for event in events],
        [event.deadline_at for event in events],
        [event.vendor_job for event in events],
        [event.over for event in events],
        [since[event.task_id] for event in events],
        [event.correlation_id for event in events],
    )
    return [_expectation(row) for row in rows]


async def find_parked(tx: Transaction, expectations: Sequence[Expectation]) -> list[UUID]:
    """Callbacks that came before these tasks were known, the oldest first, locked; those that were given up, too: an
    outage may have been longer than a callback is parked."""
    named = [one for one in expectations if one.vendor_job]
    rows = await tx.fetch(
        SQL["find_parked"],
        [one.task_id for one in expectations],
        [one.vendor for one in named],
        [one.vendor_job for one in named],
        [one.since for one in named],
        ALMOST,
    )
    return [row["id"] for row in rows]


async def read_parked(
    tx: Transaction, ids: Sequence[UUID], most: int, most_bytes: int
) -> AsyncIterator[list[CallbackReceived]]:
    """Parked callbacks in this order, a page at a time; a page has at least one, however large. They must be locked."""
    start = 0
    while start < len(ids):
        rows = await tx.fetch(SQL["find_letters"], ids[start : start + most], most_bytes)
        start += len(rows)
        letters = (DeadLetter.model_validate_json(row["letter"]) for row in rows)
        yield [CallbackReceived.model_validate_json(one.original.record().value or b"") for one in letters]


async def find_missed(
    tx: Transaction, events: Sequence[CallbackExpected], expectations: Sequence[Expectation]
) -> list[Missed]:
    """What tasks whose submits were answered, and which still wait, have missed; at most one outcome for each."""
    submitted = {event.task_id: event.submitted_at for event in events if event.submitted_at and event.vendor_job}
    waiting = [one for one in expectations if one.task_id in submitted and not one.over and one.reported is None]
    if not waiting:
        return []
    rows = await tx.fetch(
        SQL["find_missed"],
        [one.task_id for one in waiting],
        [one.vendor for one in waiting],
        [one.vendor_job for one in waiting],
        [submitted[one.task_id] for one in waiting],
        ALMOST,
    )
    return [_missed(row) for row in rows]


def _missed(row: Row) -> Missed:
    named = {name: row[name] for name in ("vendor", "vendor_job", "received_at")}
    return Missed(row["task_id"], CallbackReceived(callback_id=row["id"], **named), row["reported"])


async def upsert_callbacks(tx: Transaction, judged: Sequence[Judged], letters: Mapping[UUID, DeadLetter]) -> None:
    """Callbacks with their verdicts. Parked ones are kept with their letters."""
    ordered = sorted(judged, key=lambda one: one.callback.callback_id)
    await tx.execute(
        SQL["upsert_callbacks"],
        [one.callback.callback_id for one in ordered],
        [one.callback.vendor for one in ordered],
        [one.expectation.task_id if one.expectation else one.callback.task_id for one in ordered],
        [one.expectation.job_id if one.expectation else None for one in ordered],
        [one.callback.round for one in ordered],
        [one.vendor_job for one in ordered],
        [one.reported for one in ordered],
        [one.verdict for one in ordered],
        [one.callback.received_at for one in ordered],
        [_letter(one, letters) for one in ordered],
        [one.callback.task_id is None for one in ordered],
    )


async def set_reported(tx: Transaction, judged: Sequence[Judged]) -> None:
    """The outcomes that callbacks reported of their tasks."""
    outcomes = {one.expectation.task_id: one.reported for one in judged if one.expectation and _decides(one)}
    await tx.execute(SQL["set_reported"], sorted(outcomes), [outcomes[task_id] for task_id in sorted(outcomes)])


def _decides(one: Judged) -> bool:
    return one.verdict == "accepted" and one.reported != "progress"


def _letter(one: Judged, letters: Mapping[UUID, DeadLetter]) -> bytes | None:
    letter = letters.get(one.callback.callback_id) if one.verdict == "parked" else None
    return None if letter is None else letter.model_dump_json().encode()


async def claim_unmatched(
    tx: Transaction, older_than: timedelta, resting: Sequence[UUID], most: int, most_bytes: int
) -> list[tuple[UUID, str, DeadLetter]]:
    """Callbacks that nobody has waited for, locked, with their vendors, but none that rest; at least one, however
    large."""
    rows = await tx.fetch(SQL["claim_unmatched"], older_than, resting, most, most_bytes)
    return [(row["id"], row["vendor"], DeadLetter.model_validate_json(row["letter"])) for row in rows]


async def close_unmatched(tx: Transaction, ids: Sequence[UUID]) -> None:
    """These were for nobody so far."""
    await tx.execute(SQL["close_unmatched"], ids)


def _expectation(row: Row) -> Expectation:
    return Expectation(
        task_id=row["task_id"],
        job_id=row["job_id"],
        number=row["number"],
        round=row["round"],
        correlation_id=row["correlation_id"],
        vendor=row["vendor"],
        rules=Callbacks.model_validate_json(row["rules"]),
        deadline_at=row["deadline_at"],
        vendor_job=row["vendor_job"],
        over=row["over"],
        reported=row["reported"],
        updated_at=row["updated_at"],
        since=row["since"],
        told_vendor_job=row["told_vendor_job"],
    )
