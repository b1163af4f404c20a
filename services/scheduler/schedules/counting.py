"""The facts of schedules as they are sent. Each is counted, and logged with the ids that lead from the schedule to its
jobs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.scheduler.metrics import SCHEDULE_FACTS
from services.scheduler.schedules.model import Decision
from shared.events.schedules import ScheduleChanged
from shared.observability.logs import get_logger

_TICK = timedelta(microseconds=1)

log = get_logger(__name__)


def facts_of(decisions: Sequence[Decision]) -> list[ScheduleChanged]:
    """The facts of decisions, counted and logged. Those of one schedule follow each other in time, by a microsecond at
    least: they may be sent in another order, and consumers take the latest for how the schedule stands."""
    latest: dict[UUID, datetime] = {}
    facts: list[ScheduleChanged] = []
    for fact in (fact for decision in decisions for fact in decision.facts):
        known = latest.get(fact.schedule_id)
        if known is not None and fact.at <= known:
            fact = fact.model_copy(update={"at": known + _TICK})
        latest[fact.schedule_id] = fact.at
        facts.append(fact)
        _count(fact)
    return facts


def _count(fact: ScheduleChanged) -> None:
    SCHEDULE_FACTS.labels(fact=fact.fact.value).inc(fact.count)
    about = {
        "schedule_id": str(fact.schedule_id),
        "name": fact.name,
        "job_id": fact.job_id and str(fact.job_id),
        "planned_at": fact.planned_at and fact.planned_at.isoformat(),
        "reason": fact.reason,
    }
    log.info(fact.ce_type, **{name: value for name, value in about.items() if value})
