"""Dead letters as they are asked for, sent again and put away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.callback_gateway.redrive.decide import Letter, topics_of_state
from services.callback_gateway.redrive.model import DISCARDED, MOST_REDRIVES, LetterFilter, State, Turns
from shared.database.pool import Row, Transaction
from shared.database.queries import load_queries
from shared.database.storable import storable_text
from shared.events.catalogue import DEAD
from shared.events.dead_letters import DeadLetter

SQL = load_queries(__file__)

_AT_ONCE = Turns()
_FIRST = 10
_PAGE = 2_000
_INSTANT = timedelta(microseconds=1)
_ANY_TIME = datetime.max.replace(tzinfo=UTC)
_BEFORE_ALL = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
_ANY_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """The letters of a request: those that fit its filter, or a single one."""

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
    """What an order would do: how many letters it would take and hold back, the ids of the first that it would take,
    and the time of the latest letter that fits."""

    count: int
    held: int
    ids: tuple[UUID, ...]
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class LetterPage:
    """The oldest `most` letters that come after one letter, by time and id, and are not later than `latest_at`."""

    latest_at: datetime = _ANY_TIME
    after: tuple[datetime, UUID] = _BEFORE_ALL
    most: int = _PAGE

    @property
    def arguments(self) -> tuple[object, ...]:
        """The parameters of the queries."""
        return (*self.after, self.latest_at, self.most)

    @property
    def rest(self) -> tuple[datetime, datetime]:
        """The times of the letters that are left: at the first or later, and before the second."""
        return self.after[0], min(self.latest_at, _ANY_TIME - _INSTANT) + _INSTANT

    def next_after(self, taken: Sequence[Row]) -> "LetterPage | None":
        """The page after the letters that were taken; None if they were the last."""
        if len(taken) < self.most:
            return None
        return replace(self, after=max((row["at"], row["id"]) for row in taken))


async def survey_redrives(tx: Transaction, selection: Selection, *, force: bool) -> Survey:
    """Survey the letters that a redrive would send again."""
    return await _survey(tx, selection, ("open",), _ANY_NUMBER if force else MOST_REDRIVES)


async def survey_discards(tx: Transaction, selection: Selection) -> Survey:
    """Survey the letters that a discard would put away; it holds nothing back."""
    return await _survey(tx, selection, DISCARDED, None)


async def _survey(tx: Transaction, selection: Selection, states: Sequence[State], most: int | None) -> Survey:
    never = topics_of_state(selection.prefix)
    row = await tx.fetchrow(SQL["survey_letters"], *selection.arguments, most, _FIRST, never, states)
    assert row is not None
    return Survey(row["count"], row["held"], tuple(row["ids"]), row["latest_at"])


async def schedule_redrives(
    tx: Transaction, selection: Selection, page: LetterPage, *, turns: Turns = _AT_ONCE, force: bool
) -> list[Row]:
    """Schedule a page of letters to be sent again; returns their rows."""
    guard = (_ANY_NUMBER if force else MOST_REDRIVES, turns.apart, topics_of_state(selection.prefix))
    if turns.order_id:
        await tx.execute(SQL["lock_turns"])
    taken: list[Row] = await tx.fetch(
        SQL["schedule_redrives"], *selection.arguments, *guard, *page.arguments, turns.order_id
    )
    return taken


async def discard_letters(tx: Transaction, selection: Selection, page: LetterPage, reason: str) -> list[Row]:
    """Discard a page of letters for a reason; returns their rows."""
    taken: list[Row] = await tx.fetch(
        SQL["discard_letters"], *selection.arguments, storable_text(reason), *page.arguments
    )
    return taken


async def count_open(tx: Transaction, most_letters: int, most_reasons: int) -> list[tuple[str, str, int]]:
    """How many open letters there are, by service and reason, the most frequent first: at most `most_letters` of each,
    and at most `most_reasons` of each service."""
    rows = await tx.fetch(SQL["count_open"], list(DEAD), most_letters, most_reasons)
    return [(row["service"], row["reason"], row["count"]) for row in rows]


async def await_jobs(tx: Transaction, job_ids: Sequence[UUID]) -> None:
    """Note that redrives of these jobs were sent, so that their event streams do not stop at the earlier end."""
    if job_ids:
        await tx.execute(SQL["await_jobs"], job_ids)


async def claim_due(tx: Transaction, most: int, most_bytes: int, *, late_seconds: float) -> list[Letter]:
    """Letters whose turn it is, and not so long past, locked: up to `most` letters and `most_bytes`, but at least
    one."""
    return [_letter(row) for row in await tx.fetch(SQL["claim_due"], most, most_bytes, timedelta(seconds=late_seconds))]


async def close_redriven(tx: Transaction, letters: Sequence[Letter]) -> None:
    """Mark letters that the broker has acknowledged as redriven."""
    if letters:
        await tx.execute(SQL["close_redriven"], [letter.id for letter in letters])
    job_ids = {letter.event.job_id for letter in letters if letter.round is not None and letter.event.job_id}
    await await_jobs(tx, sorted(job_ids))


async def find_late(tx: Transaction, late_seconds: float) -> list[UUID]:
    """Letters of orders whose turns are so long past, a page of them."""
    return [row["id"] for row in await tx.fetch(SQL["find_late"], timedelta(seconds=late_seconds), _PAGE)]


async def give_new_turns(tx: Transaction, ids: Sequence[UUID], wait_seconds: float) -> None:
    """Give letters that missed their turns new ones: those of an order behind its other letters, single
    ones after a wait."""
    await tx.execute(SQL["lock_turns"])
    await tx.execute(SQL["give_new_turns"], ids, timedelta(seconds=wait_seconds))


async def reopen_letters(tx: Transaction, notes: Sequence[tuple[UUID, str]]) -> None:
    """Open letters again that cannot be sent, each with a note that says why."""
    if notes:
        await tx.execute(SQL["reopen_letters"], [one for one, _ in notes], [storable_text(note) for _, note in notes])


def _letter(row: Row) -> Letter:
    return Letter(row["id"], DeadLetter.model_validate(row["document"]), row["round"], row["redrives"])
