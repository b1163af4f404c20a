"""Dead letters as they are asked for, sent again and put away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.callback_gateway.redrive.decide import Letter, topics_of_state
from services.callback_gateway.redrive.model import DISCARDED, MOST_REDRIVES, LetterFilter, State
from shared.database.pool import Row, Transaction
from shared.database.queries import changed_rows, load_queries
from shared.database.storable import storable_text
from shared.events.dead_letters import DeadLetter

SQL = load_queries(__file__)

_FIRST = 10
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
    """How many letters would be taken, how many would be held back, and the first that would be taken."""

    count: int
    held: int
    ids: tuple[UUID, ...]


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
    return Survey(row["count"], row["held"], tuple(row["ids"]))


async def schedule_redrives(tx: Transaction, selection: Selection, *, rate: float, force: bool) -> int:
    """Have letters sent again, at most `rate` a second; gives how many."""
    most = _ANY_NUMBER if force else MOST_REDRIVES
    apart, never = timedelta(seconds=1 / rate), topics_of_state(selection.prefix)
    rows = await tx.fetch(SQL["schedule_redrives"], *selection.arguments, most, apart, never)
    await await_jobs(tx, sorted({row["job_id"] for row in rows if row["round"] is not None}))
    return len(rows)


async def discard_letters(tx: Transaction, selection: Selection, reason: str) -> int:
    """Put letters away for a reason; gives how many."""
    return changed_rows(await tx.execute(SQL["discard_letters"], *selection.arguments, storable_text(reason)))


async def count_open(tx: Transaction) -> list[tuple[str, str, int]]:
    """How many open letters there are, by service and reason, the most frequent first."""
    return [(row["service"], row["reason"], row["count"]) for row in await tx.fetch(SQL["count_open"])]


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
