"""Dead letters as they are asked for, sent again and put away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.callback_gateway.redrive.decide import Letter, topics_of_state
from services.callback_gateway.redrive.model import DISCARDED, MOST_REDRIVES, LetterFilter, State
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.dead_letters import DeadLetter

SQL = load_queries(__file__)

_FIRST = 10
_BLOCK = 2_000
_ANY_TIME = datetime.max.replace(tzinfo=UTC)
_BEFORE_ALL = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
_ANY_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Letters that are asked for: by a filter, or a single one."""

    filter: LetterFilter
    prefix: str
    id: UUID | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """The first seven parameters of the queries."""
        asked = self.filter
        topics = None if asked.topic is None else [asked.topic, f"{self.prefix}.{asked.topic}"]
        return (asked.service, topics, asked.reason, asked.job_id, asked.since, asked.until, self.id)


@dataclass(frozen=True, slots=True)
class Survey:
    """How many letters would be taken, how many would be held back, the first that would be taken, and the time of the
    latest that fits."""

    count: int
    held: int
    ids: tuple[UUID, ...]
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class Block:
    """So many letters at most, the oldest first: those behind one, by its time and id, and none later than a time."""

    latest_at: datetime = _ANY_TIME
    after: tuple[datetime, UUID] = _BEFORE_ALL
    most: int = _BLOCK

    @property
    def arguments(self) -> tuple[object, ...]:
        """The parameters of the queries."""
        return (*self.after, self.latest_at, self.most)

    def behind(self, taken: Sequence[Row]) -> "Block | None":
        """The next block, unless these were the last."""
        if len(taken) < self.most:
            return None
        return replace(self, after=max((row["at"], row["id"]) for row in taken))


@dataclass(frozen=True, slots=True)
class Turns:
    """When letters are sent again: one each interval, from a time on."""

    apart: timedelta
    begin_at: datetime | None = None

    def behind(self, taken: Sequence[Row]) -> "Turns":
        """The turns of the next block."""
        return replace(self, begin_at=max(row["due_at"] for row in taken) + self.apart) if taken else self


async def survey_redrives(tx: Transaction, selection: Selection, *, force: bool) -> Survey:
    """Look before anything is sent again."""
    return await _survey(tx, selection, ("open",), _ANY_NUMBER if force else MOST_REDRIVES)


async def survey_discards(tx: Transaction, selection: Selection) -> Survey:
    """Look before anything is put away: nothing is held back."""
    return await _survey(tx, selection, DISCARDED, None)


async def _survey(tx: Transaction, selection: Selection, states: Sequence[State], most: int | None) -> Survey:
    never = topics_of_state(selection.prefix)
    row = await tx.fetchrow(SQL["survey_letters"], *selection.arguments, most, _FIRST, never, states)
    assert row is not None
    return Survey(row["count"], row["held"], tuple(row["ids"]), row["latest_at"])


async def schedule_redrives(
    tx: Transaction, selection: Selection, block: Block, turns: Turns, *, force: bool
) -> list[Row]:
    """Have a block of letters sent again; gives them."""
    guard = (_ANY_NUMBER if force else MOST_REDRIVES, turns.apart, topics_of_state(selection.prefix))
    arguments = (*selection.arguments, *guard, *block.arguments, turns.begin_at)
    taken: list[Row] = await tx.fetch(SQL["schedule_redrives"], *arguments)
    await await_jobs(tx, sorted({row["job_id"] for row in taken if row["round"] is not None}))
    return taken


async def discard_letters(tx: Transaction, selection: Selection, block: Block, reason: str) -> list[Row]:
    """Put a block of letters away for a reason; gives them."""
    taken: list[Row] = await tx.fetch(
        SQL["discard_letters"], *selection.arguments, storable_text(reason), *block.arguments
    )
    return taken


async def count_open(tx: Transaction, most_letters: int, most_pairs: int) -> list[tuple[str, str, int]]:
    """How many open letters there are, by service and reason, the most frequent first: of each pair at most
    `most_letters`, and at most `most_pairs` of them."""
    rows = await tx.fetch(SQL["count_open"], most_letters, most_pairs)
    return [(row["service"], row["reason"], row["count"]) for row in rows]


async def await_jobs(tx: Transaction, job_ids: Sequence[UUID]) -> None:
    """Who follows one of these jobs is to wait for what comes after its end."""
    if job_ids:
        await tx.execute(SQL["await_jobs"], job_ids)


async def claim_due(tx: Transaction, most: int, most_bytes: int) -> list[Letter]:
    """Letters whose turn it is, locked; at least one, however large."""
    return [_letter(row) for row in await tx.fetch(SQL["claim_due"], most, most_bytes)]


async def close_redriven(tx: Transaction, ids: Sequence[UUID]) -> None:
    """These are in the broker."""
    if ids:
        await tx.execute(SQL["close_redriven"], ids)


async def postpone_letters(tx: Transaction, ids: Sequence[UUID], seconds: float) -> None:
    """Let the turns of these come a little later."""
    if ids:
        await tx.execute(SQL["postpone_letters"], ids, timedelta(seconds=seconds))


async def reopen_letters(tx: Transaction, notes: Sequence[tuple[UUID, str]]) -> None:
    """These cannot be sent, and why."""
    if notes:
        await tx.execute(SQL["reopen_letters"], [one for one, _ in notes], [storable_text(note) for _, note in notes])


def _letter(row: Row) -> Letter:
    return Letter(row["id"], DeadLetter.model_validate(row["document"]), row["round"], row["redrives"])
