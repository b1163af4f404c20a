"""Every fact of a schedule is counted, and logged with the ids that lead from the schedule to its jobs."""

from collections.abc import Sequence

from services.scheduler.metrics import SCHEDULE_FACTS
from shared.events.schedules import ScheduleChanged
from shared.observability.logs import get_logger

log = get_logger(__name__)


def counted(facts: Sequence[ScheduleChanged]) -> Sequence[ScheduleChanged]:
    """The same facts, counted and logged."""
    for fact in facts:
        SCHEDULE_FACTS.labels(fact=fact.fact.value).inc(fact.count)
        about = {
            "schedule_id": str(fact.schedule_id),
            "name": fact.name,
            "job_id": fact.job_id and str(fact.job_id),
            "planned_at": fact.planned_at and fact.planned_at.isoformat(),
            "reason": fact.reason,
        }
        log.info(fact.ce_type, **{name: value for name, value in about.items() if value})
    return facts
