"""Schedules as their decisions see them, at a moment of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.scheduler.schedules.decide import RefusedChange, request
from services.scheduler.schedules.firing import End
from services.scheduler.schedules.model import Decision, ScheduleWithFirings
from shared.events.jobs import JobState
from shared.events.schedules import ScheduleRequested

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ID = UUID(int=7)
START = {"source": "acme-orders"}
FAILED, COMPLETED = End(JobState.FAILED, "vendor_down"), End(JobState.COMPLETED)


def ask(standing: ScheduleWithFirings, action: str, at: datetime = NOW, **document: Any) -> Decision | RefusedChange:
    event = ScheduleRequested.model_validate({"action": action, "schedule": document or None})
    return request(standing, event, uuid4(), at, at)


def put(standing: ScheduleWithFirings | None = None, at: datetime = NOW, /, **document: Any) -> ScheduleWithFirings:
    target = {} if "publish" in document else {"start": START}
    decision = ask(standing or ScheduleWithFirings(ID), "put", at, **{**target, **document})
    assert isinstance(decision, Decision)
    return decision.standing


def done(standing: ScheduleWithFirings, action: str, at: datetime = NOW) -> Decision:
    decision = ask(standing, action, at)
    assert isinstance(decision, Decision)
    return decision


def facts(decision: Decision) -> list[str]:
    return [fact.fact.value for fact in decision.facts]


def started(decision: Decision) -> list[str]:
    return [timer.message.key for timer in decision.messages if timer.message.topic == "jobs.requested"]


def once(after: timedelta = timedelta(minutes=1), **more: Any) -> ScheduleWithFirings:
    return put(triggerAt=(NOW + after).isoformat(), **more)
