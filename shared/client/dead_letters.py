"""Dead letters."""

from datetime import datetime
from typing import TypedDict, Unpack

from shared.api_models import DeadLetter, LettersAffected, WholeDeadLetter
from shared.client.connection import Connection, Id, given


class LetterFilter(TypedDict, total=False):
    """The dead letters that fit all fields given: at `since` or later, and before `until`."""

    service: str
    topic: str
    reason: str
    job_id: Id
    since: datetime | str
    until: datetime | str


class DeadLetters(Connection):
    """Dead letters: list them, show one, send them again, put them away."""

    async def dead_letters(
        self, *, state: str | None = None, limit: int = 50, **wanted: Unpack[LetterFilter]
    ) -> list[DeadLetter]:
        """The newest dead letters that fit, at most `limit`."""
        return await self._list(
            DeadLetter, "/dead-letters", "dead_letters", **_letter_filter(wanted), state=state, limit=limit
        )

    async def find_dead_letter(self, letter: Id) -> WholeDeadLetter:
        """A dead letter with its history and the message as it came."""
        return self._read(WholeDeadLetter, await self._call("GET", f"/dead-letters/{letter}"))

    async def redrive_letter(self, letter: Id, *, force: bool = False) -> LettersAffected:
        """Send an open dead letter again; with `force` also one that came back three times."""
        parameters = {"force": "true"} if force else {}
        answer = await self._call("POST", f"/dead-letters/{letter}/redrive", params=parameters)
        return self._read(LettersAffected, answer)

    async def redrive_letters(
        self, wanted: LetterFilter, *, dry_run: bool = False, rate: float = 50.0, force: bool = False
    ) -> LettersAffected:
        """Send all open dead letters that fit again, at most `rate` a second, or only count them."""
        order: dict[str, object] = {"dry_run": dry_run, "rate": rate, "force": force}
        return await self._give_order("/dead-letters/redrive", wanted, order)

    async def discard_letter(self, letter: Id, reason: str) -> LettersAffected:
        """Put away a dead letter that is open, or that waits for its turn to be sent again."""
        answer = await self._call("POST", f"/dead-letters/{letter}/discard", json={"reason": reason})
        return self._read(LettersAffected, answer)

    async def discard_letters(self, wanted: LetterFilter, reason: str, *, dry_run: bool = False) -> LettersAffected:
        """Put away all dead letters that fit, open ones and those that wait to be sent again, or only count them."""
        return await self._give_order("/dead-letters/discard", wanted, {"reason": reason, "dry_run": dry_run})

    async def _give_order(self, path: str, wanted: LetterFilter, order: dict[str, object]) -> LettersAffected:
        """Until the gateway leaves no rest: one request takes only so many letters as take it seconds."""
        chosen = _letter_filter(wanted)
        first = done = self._read(LettersAffected, await self._call("POST", path, json={"filter": chosen, **order}))
        count = done.count
        while done.rest:
            chosen |= given(**{name: at.isoformat() for name, at in done.rest.items()})
            done = self._read(LettersAffected, await self._call("POST", path, json={"filter": chosen, **order}))
            count += done.count
        return first.model_copy(update={"count": count, "rest": None})


def _letter_filter(wanted: LetterFilter) -> dict[str, str]:
    """The fields with their names in the API."""
    named: dict[str, object] = dict(wanted)
    if "since" in named:
        named["from"] = named.pop("since")
    if "until" in named:
        named["to"] = named.pop("until")
    return given(**named)
