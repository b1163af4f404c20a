"""Rows of calls, budgets and fetchers."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson

from services.fetcher.model import Answered, Claimed, Later, Outcome
from shared.database.pool import Database, Row, Transaction
from shared.database.queries import load_queries
from shared.messaging.handler import Outgoing
from shared.messaging.ledger import pack, unpack

SQL = load_queries(__file__)

NOBODY = UUID(int=0)
"""A fetcher that never lived: whatever is its, the next one takes over."""
MOST_TAKEOVERS = 3
"""A call is given up that was open when so many fetchers ended, one after the other. Before the last of them it is made
while no other such call is open in its process: it is not given up for what another one did."""
SUSPECT_FROM = MOST_TAKEOVERS - 1
REFUSALS = 5
"""After so many refused credentials, with no success between them, a vendor is called once in a while only."""
_FIRST_REST, _LONGEST_REST = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Told:
    """A call whose messages must be produced. When it `ends`, its row goes afterwards."""

    id: UUID
    messages: Sequence[Outgoing]
    ends: bool = True


class Pause(NamedTuple):
    """A vendor that is to be left alone: it refused a call, or said that a quota is used up."""

    vendor: str
    until: datetime
    refused: bool


async def find_busy_vendors(tx: Transaction) -> list[str]:
    """Vendors that calls wait for."""
    return [row["vendor"] for row in await tx.fetch(SQL["find_busy_vendors"])]


async def lock_budget(tx: Transaction, vendor: str) -> Row:
    """The vendor's budget, locked: whoever has it may claim calls and lease permits."""
    row = await tx.fetchrow(SQL["lock_budget"], vendor)
    if row is None:
        await tx.execute(SQL["insert_budget"], vendor)
        row = await tx.fetchrow(SQL["lock_budget"], vendor)
    assert row is not None
    return row


async def count_running(tx: Transaction, vendor: str) -> int:
    """Calls of this vendor that any fetcher has open."""
    count: int = await tx.fetchval(SQL["count_running"], vendor)
    return count


async def find_due(tx: Transaction, vendor: str, most: int, *, suspects: bool = True) -> list[UUID]:
    """The next calls of this vendor, locked; at most one that may have ended fetchers, and none without `suspects`."""
    rows = await tx.fetch(SQL["find_due"], vendor, most, suspects, SUSPECT_FROM)
    suspect = next((row["id"] for row in rows if row["suspect"]), None)
    return [row["id"] for row in rows if not row["suspect"] or row["id"] == suspect]


async def claim_calls(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> list[Row]:
    """These are this fetcher's now."""
    rows: list[Row] = await tx.fetch(SQL["claim_calls"], ids, fetcher_id)
    return rows


async def return_unheard(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> None:
    """Calls of a claim of which it is not known whether it took effect: none of them was begun."""
    if ids:
        await tx.execute(SQL["return_unheard"], ids, fetcher_id)


async def mark_calls(tx: Transaction, fetcher_id: UUID, calls: Sequence[Claimed]) -> set[UUID]:
    """These are about to leave; gives the ids of those that are still this fetcher's."""
    ordered = sorted(calls, key=lambda call: call.id)
    ids, claims = [call.id for call in ordered], [call.claim for call in ordered]
    return {row["id"] for row in await tx.fetch(SQL["mark_calls"], fetcher_id, ids, claims)}


async def update_permits(tx: Transaction, vendor: str, permits: dict[str, object]) -> None:
    """Where the windows of the contract stand."""
    await tx.execute(SQL["update_permits"], vendor, permits)


async def settle_calls(tx: Transaction, fetcher_id: UUID, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Write outcomes; gives the ids of the calls that were still this fetcher's."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.call.id)
    rows = await tx.fetch(
        SQL["settle_calls"],
        fetcher_id,
        [outcome.call.id for outcome in ordered],
        [outcome.call.claim for outcome in ordered],
        ["answered" if isinstance(outcome, Answered) else "waiting" for outcome in ordered],
        [outcome.next_attempt if isinstance(outcome, Later) else outcome.call.attempt for outcome in ordered],
        [outcome.not_before if isinstance(outcome, Later) else None for outcome in ordered],
        [outcome.met_limit if isinstance(outcome, Later) else False for outcome in ordered],
        [pack(outcome.messages) if isinstance(outcome, Answered) else None for outcome in ordered],
        [isinstance(outcome, Later) and outcome.may_have_left for outcome in ordered],
    )
    return {row["id"] for row in rows}


async def insert_attempts(tx: Transaction, outcomes: Sequence[Outcome], unheard: Container[UUID]) -> None:
    """The attempt log: the proof of the contract. Those of `unheard` calls may be there."""
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
        [attempt.reason[:500] for _, attempt in made],
        [call.id in unheard for call, _ in made],
    )


async def lock_budgets(tx: Transaction, refused: Sequence[str], succeeded: Sequence[str]) -> None:
    """Lock what `pause_vendors` and `quicken_vendors` change: others may have to pause what is quickened here."""
    if len({*refused, *succeeded}) > 1:
        await tx.execute(SQL["lock_budgets"], refused, succeeded)


async def refuse_credentials(tx: Transaction, vendors: Sequence[str]) -> list[Row]:
    """Vendors that refused a credential; gives for how long each rests, and after how many refusals in a row."""
    if not vendors:
        return []
    rows: list[Row] = await tx.fetch(SQL["refuse_credentials"], sorted(vendors), REFUSALS, _FIRST_REST, _LONGEST_REST)
    return rows


async def pause_vendors(tx: Transaction, pauses: Sequence[Pause]) -> None:
    """Rest towards these vendors until then, for every fetcher; and slow down where they refused."""
    if pauses:
        columns = [list(column) for column in zip(*sorted(pauses), strict=True)]
        await tx.execute(SQL["pause_vendors"], *columns)


async def quicken_vendors(tx: Transaction, vendors: Sequence[str]) -> None:
    """Calls succeed: come back towards the contract's rate."""
    if vendors:
        await tx.execute(SQL["quicken_vendors"], sorted(vendors))


async def delete_calls(tx: Transaction, ids: Sequence[UUID]) -> None:
    """These are told."""
    if ids:
        await tx.execute(SQL["delete_calls"], sorted(ids))


async def delete_cancelled(tx: Transaction) -> None:
    """Calls of cancelled jobs that were open at the cancellation and were to be repeated: they are not."""
    await tx.execute(SQL["delete_cancelled"])


async def show_life(database: Database, fetcher_id: UUID) -> None:
    """This fetcher lives; known to all at once."""
    await database.execute(SQL["show_life"], fetcher_id)


async def find_silent(tx: Transaction, lease_seconds: float, but: UUID) -> list[UUID]:
    """Fetchers that hold calls and gave no sign of life for so long; without the one that asks."""
    return [row["fetcher_id"] for row in await tx.fetch(SQL["find_silent"], lease_seconds, but)]


async def return_calls(tx: Transaction, silent: Sequence[UUID]) -> list[Row]:
    """Open calls of silent fetchers that may be repeated, or never left, wait again; gives them with the claims that
    ended."""
    rows: list[Row] = await tx.fetch(SQL["return_calls"], silent, MOST_TAKEOVERS)
    return rows


async def find_lost(tx: Transaction, silent: Sequence[UUID]) -> list[Row]:
    """Open calls of silent fetchers that are not made again, locked: nobody knows whether the vendor has them and they
    must not be repeated, or too many fetchers ended with them."""
    rows: list[Row] = await tx.fetch(SQL["find_lost"], silent, MOST_TAKEOVERS)
    return rows


async def stop_fetcher(database: Database, fetcher_id: UUID) -> None:
    """This fetcher was told to stop: what it leaves open did not end it."""
    await database.execute(SQL["stop_fetcher"], fetcher_id)


async def clear_calls(database: Database, fetcher_id: UUID) -> None:
    """This fetcher was taken for dead, and lives: none of its calls ended it."""
    await database.execute(SQL["clear_calls"], fetcher_id)


async def answer_calls(tx: Transaction, told: Sequence[Told], fetcher_id: UUID) -> None:
    """End calls in another fetcher's name."""
    ordered = sorted(told, key=lambda one: one.id)
    await tx.execute(
        SQL["answer_calls"], [one.id for one in ordered], [pack(one.messages) for one in ordered], fetcher_id
    )


async def hand_over_answers(tx: Transaction, fetcher_id: UUID) -> set[UUID]:
    """Answered calls of this fetcher are nobody's now, as those of one that is gone; gives their ids."""
    return {row["id"] for row in await tx.fetch(SQL["hand_over_answers"], fetcher_id, NOBODY)}


async def inherit_answers(tx: Transaction, silent: Sequence[UUID], fetcher_id: UUID) -> list[Told]:
    """Answered calls of silent fetchers: their messages may not have been produced."""
    rows = await tx.fetch(SQL["inherit_answers"], silent, fetcher_id)
    return [Told(row["id"], unpack(row["outgoing"])) for row in rows]


async def find_inherited(tx: Transaction, ids: Sequence[UUID], fetcher_id: UUID) -> list[Told]:
    """Those of a takeover of which it is not known whether it took effect."""
    rows = await tx.fetch(SQL["find_inherited"], ids, fetcher_id) if ids else []
    return [Told(row["id"], unpack(row["outgoing"])) for row in rows]


def read_origin(row: Row) -> dict[str, object]:
    """What a dead letter needs of the original message."""
    origin = row["origin"]
    return dict(origin) if isinstance(origin, dict) else dict(orjson.loads(origin))
