"""Rows of outcomes: calls, attempts, and what they mean for the budgets of vendors."""

from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.fetcher.model import FAULTS, PROBES, REFUSALS, ClaimKey, Ended, Later, Outcome
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.tasks import cut_reason
from shared.messaging.ledger import pack

SQL = load_queries(__file__)

NOBODY = UUID(int=0)
"""A fetcher that never lived: whatever is its, the next one takes over."""

_FIRST_REST, _LONGEST_REST = timedelta(minutes=1), timedelta(minutes=15)
_FIRST_FAULT_REST, _LONGEST_FAULT_REST = timedelta(seconds=5), timedelta(minutes=5)
_LEAST_FAILING = timedelta(seconds=2)
"""A vendor fails for so long before it rests. A fault of a moment may fail many calls; the waits between the attempts
of each outlast it."""


class Pause(NamedTuple):
    """A vendor that is to be left alone: it refused a call, or said that a quota is used up."""

    vendor: str
    until: datetime
    refused: bool


async def settle_calls(tx: Transaction, fetcher_id: UUID, outcomes: Sequence[Outcome]) -> set[ClaimKey]:
    """Write outcomes; returns the claims that were still this fetcher's."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.call.id)
    rows = await tx.fetch(
        SQL["settle_calls"],
        fetcher_id,
        [outcome.call.id for outcome in ordered],
        [outcome.call.claim for outcome in ordered],
        ["answered" if isinstance(outcome, Ended) else "waiting" for outcome in ordered],
        [outcome.next_attempt if isinstance(outcome, Later) else outcome.call.attempt for outcome in ordered],
        [outcome.not_before if isinstance(outcome, Later) else None for outcome in ordered],
        [outcome.met_limit if isinstance(outcome, Later) else False for outcome in ordered],
        [pack(outcome.messages) if isinstance(outcome, Ended) else None for outcome in ordered],
        [isinstance(outcome, Later) and outcome.may_have_left for outcome in ordered],
    )
    return {(row["id"], row["claim"]) for row in rows}


async def insert_attempts(tx: Transaction, outcomes: Sequence[Outcome], in_doubt: Container[ClaimKey]) -> None:
    """The attempt log: the proof of the contract. Attempts of the claims `in_doubt` may be there already."""
    made = [(outcome.call, outcome.attempt) for outcome in outcomes if outcome.attempt is not None]
    if not made:
        return
    await tx.execute(
        SQL["insert_attempts"],
        [call.id for call, _ in made],
        [call.request.task_id for call, _ in made],
        [call.request.vendor for call, _ in made],
        [attempt.attempt for _, attempt in made],
        [attempt.started_at for _, attempt in made],
        [attempt.seconds for _, attempt in made],
        [attempt.egress for _, attempt in made],
        [attempt.status for _, attempt in made],
        [attempt.verdict for _, attempt in made],
        [storable_text(cut_reason(attempt.reason)) for _, attempt in made],
        [call.key in in_doubt for call, _ in made],
    )


async def lock_budgets(tx: Transaction, failed: Sequence[str], answered: Sequence[str]) -> None:
    """Lock the vendors that refused or failed, and those that answered, before anything of them is changed: others may
    have to pause what is quickened here."""
    if len({*failed, *answered}) > 1:
        await tx.execute(SQL["lock_budgets"], failed, answered)


async def refuse_credentials(tx: Transaction, vendors: Sequence[str]) -> list[Row]:
    """Vendors that refused a credential; gives for how long each rests, and after how many refusals in a row."""
    if not vendors:
        return []
    rows: list[Row] = await tx.fetch(SQL["refuse_credentials"], sorted(vendors), REFUSALS, _FIRST_REST, _LONGEST_REST)
    return rows


async def count_faults(tx: Transaction, vendors: Sequence[str]) -> list[Row]:
    """Vendors that failed as a whole; gives for how long each rests, and after how many faults in a row."""
    if not vendors:
        return []
    rests = (_LEAST_FAILING, _FIRST_FAULT_REST, _LONGEST_FAULT_REST)
    rows: list[Row] = await tx.fetch(SQL["count_faults"], sorted(vendors), FAULTS, PROBES, *rests)
    return rows


async def end_faults(tx: Transaction, vendors: Sequence[str]) -> None:
    """These vendors answered, although not well: they work."""
    if vendors:
        await tx.execute(SQL["end_faults"], sorted(vendors))


async def pause_vendors(tx: Transaction, pauses: Sequence[Pause]) -> None:
    """Rest towards these vendors until then, for every fetcher; and slow down where they refused."""
    if pauses:
        columns = [list(column) for column in zip(*sorted(pauses), strict=True)]
        await tx.execute(SQL["pause_vendors"], *columns)


async def speed_up_vendors(tx: Transaction, vendors: Sequence[str]) -> None:
    """Calls succeed: come back towards the contract's rate."""
    if vendors:
        await tx.execute(SQL["speed_up_vendors"], sorted(vendors))


async def delete_calls(tx: Transaction, ids: Sequence[UUID]) -> None:
    """These are reported."""
    if ids:
        await tx.execute(SQL["delete_calls"], sorted(ids))


async def hand_over_answers(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> int:
    """Those of these answered calls that are this fetcher's are nobody's now, as those of a fetcher that is gone; gives
    their number."""
    return len(await tx.fetch(SQL["hand_over_answers"], sorted(ids), fetcher_id, NOBODY))
