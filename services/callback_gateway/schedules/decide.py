"""Facts of schedules → rows of the read model. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.events.schedules import ScheduleChanged, ScheduleFact, ScheduleState

_RANKS = {
    ScheduleFact.RESCHEDULED: 0,
    ScheduleFact.FIRED: 1,
    ScheduleFact.MISSED: 2,
    ScheduleFact.SKIPPED: 2,
    ScheduleFact.SUCCEEDED: 2,
    ScheduleFact.FAILED: 2,
}
"""The order of what can be reported of one firing; a later attempt is ahead of an earlier one."""


@dataclass(slots=True)
class ScheduleView:
    """A schedule as a batch of facts leaves it. A document is sent when it comes into force, and then kept."""

    id: UUID
    name: str | None
    document: dict[str, Any] | None
    state: ScheduleState
    next_at: datetime | None
    reason: str
    mistakes: list[dict[str, Any]] | None
    changed_at: datetime


@dataclass(slots=True)
class FiringView:
    """A firing as a batch of facts leaves it. Of several attempts the last counts; `fired_at` is that of the first."""

    schedule_id: UUID
    planned_at: datetime
    attempt: int
    rank: int
    verdict: str
    job_id: UUID | None
    reason: str
    fired_at: datetime | None
    ended_at: datetime | None


def schedule_views(facts: Iterable[ScheduleChanged]) -> list[ScheduleView]:
    """One view for each schedule, in the order of their ids: the latest fact says how it stands."""
    views: dict[UUID, ScheduleView] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        known = views.get(fact.schedule_id)
        views[fact.schedule_id] = ScheduleView(
            id=fact.schedule_id,
            name=fact.name or (known.name if known else None),
            document=fact.schedule or (known.document if known else None),
            state=fact.state,
            next_at=fact.next_at,
            reason=fact.reason,
            mistakes=[asdict(one) for one in fact.mistakes] or None,
            changed_at=fact.at,
        )
    return sorted(views.values(), key=lambda view: view.id)


def firing_views(facts: Iterable[ScheduleChanged]) -> list[FiringView]:
    """One view for each firing, in the order of their keys: what is furthest counts, whatever came last."""
    views: dict[tuple[UUID, datetime], FiringView] = {}
    for fact in facts:
        rank = _RANKS.get(fact.fact)
        if rank is None or fact.planned_at is None:
            continue
        view = _firing(fact, fact.planned_at, rank)
        known = views.get((fact.schedule_id, fact.planned_at))
        if known is not None:
            view = _merged(known, view)
        views[fact.schedule_id, fact.planned_at] = view
    return [views[key] for key in sorted(views)]


def _firing(fact: ScheduleChanged, planned_at: datetime, rank: int) -> FiringView:
    return FiringView(
        schedule_id=fact.schedule_id,
        planned_at=planned_at,
        attempt=fact.attempt,
        rank=rank,
        verdict=fact.fact.value,
        job_id=fact.job_id,
        reason=fact.reason,
        fired_at=fact.at if fact.fact is ScheduleFact.FIRED else None,
        ended_at=fact.at if rank == 2 else None,
    )


def _merged(known: FiringView, newer: FiringView) -> FiringView:
    ahead = newer if (newer.attempt, newer.rank) >= (known.attempt, known.rank) else known
    ahead.fired_at = min((one.fired_at for one in (known, newer) if one.fired_at is not None), default=None)
    return ahead
