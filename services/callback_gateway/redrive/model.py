"""Requests about dead letters."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.catalogue import Service
from shared.ids import derived_id
from shared.specification.values import Between, Strict

State = Literal["open", "redriving", "redriven", "discarded"]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]

DISCARDED: tuple[State, ...] = ("open", "redriving")
"""The states in which a letter can be put away: until it is sent again."""
MOST_REDRIVES = 3
"""A letter that came back so often is only redriven by `force`: what is wrong with it was not repaired."""


class LetterFilter(Strict):
    """The dead letters that fit all fields given: at `from` or later, and before `to`. `topic` may be written without
    its prefix."""

    service: Service | None = None
    topic: Annotated[str, Field(max_length=249, pattern=r"^[\w.-]+$")] | None = None
    reason: Reason | None = None
    job_id: UUID | None = None
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None


@dataclass(frozen=True, slots=True)
class Turns:
    """When letters are sent again: one in each interval `apart`, behind the letters that their order already has. A
    letter that belongs to no order is sent at once."""

    order_id: UUID | None = None
    apart: timedelta = timedelta()


class RedriveOrder(Strict):
    """Send open dead letters again, at most `rate` a second. `dry_run` only reports which. `force` also takes those
    that came back three times."""

    filter: LetterFilter
    dry_run: bool = False
    rate: Annotated[float, Between(0.01, 1000)] = 50.0
    force: bool = False

    @property
    def turns(self) -> Turns:
        """Requests that differ only in their times are one order: so its rest keeps its rate."""
        asked = self.model_dump_json(exclude={"filter": {"since", "until"}, "dry_run": True})
        return Turns(derived_id("redrive", asked), timedelta(seconds=1 / self.rate))


class DiscardOrder(Strict):
    """Put dead letters away for a reason: open ones, and those that wait for their turn to be sent again. `dry_run`
    only reports which."""

    filter: LetterFilter
    reason: Reason
    dry_run: bool = False


class DiscardReason(Strict):
    """Why a dead letter is put away."""

    reason: Reason
