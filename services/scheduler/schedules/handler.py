"""schedules.requested → schedules; the ends of jobs.events → what follows for the schedules that started them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.scheduler.schedules import store
from services.scheduler.schedules.counting import facts_of
from services.scheduler.schedules.decide import RefusedChange, ended, request
from services.scheduler.schedules.firing import End
from services.scheduler.schedules.model import Decision
from shared.database.pool import Transaction
from shared.events.catalogue import SCHEDULES_EVENTS
from shared.events.envelope import Incoming
from shared.events.jobs import JobEnded, JobEvent, JobRejected, JobState
from shared.events.schedules import ScheduleRequested, schedule_id_of
from shared.events.tasks import OUTCOME_UNKNOWN
from shared.messaging.handler import Outgoing, Refuse, Result, outgoing
from shared.observability.logs import get_logger
from shared.specification.values import FARTHEST

SKIPS = frozenset({"job.accepted", "job.planned", "job.progressed"})
"""Types of `jobs.events` that are no end of a job: `end_firings` need not see them."""

_LONGEST_LOGGED = 2000

log = get_logger(__name__)


async def change_schedules(tx: Transaction, batch: Sequence[Incoming[ScheduleRequested]]) -> list[Result]:
    """Create, change, pause, resume, trigger and delete schedules, in the order it was asked for."""
    ids = [_schedule_id(incoming) for incoming in batch]
    before = await store.lock_schedules(tx, ids)
    now = await store.now(tx)
    after = dict(before)
    decisions: list[Decision] = []
    refused: list[Result] = []
    for schedule_id, incoming in zip(ids, batch, strict=True):
        event = incoming.event
        # Anybody's clock: what lies beyond the calendar of schedules is as far as that goes.
        asked_at = min(max(event.asked_at or incoming.record.timestamp, now - FARTHEST), now)
        decision = request(after[schedule_id], event, incoming.id, asked_at, now)
        if isinstance(decision, RefusedChange):
            text = "; ".join(map(str, decision.problems))
            about = {"schedule_id": str(schedule_id), "action": event.action, "reason": text[:_LONGEST_LOGGED]}
            log.info("schedule.refused", **about)
            refused.append(Refuse(incoming, decision.reason, text))
            decision = decision.decision
        after[schedule_id] = decision.standing
        decisions.append(decision)
    await store.save(tx, before, after, now)
    return [*refused, *messages_of(decisions)]


async def end_firings(tx: Transaction, batch: Sequence[Incoming[JobEvent]]) -> list[Result]:
    """Close the firings whose jobs are over."""
    ends: dict[UUID, End] = {}
    for incoming in batch:
        match incoming.event:
            case JobEnded() as event:
                ends[event.job_id] = End(event.state, event.reason, _is_unknown(event))
            case JobRejected(job_id=job_id, mistakes=mistakes):
                text = "; ".join(map(str, mistakes))
                ends[job_id] = End(JobState.REJECTED, f"the job was rejected: {text}")
            case _:
                pass
    return [*messages_of(await settle(tx, ends))]


async def settle(tx: Transaction, ends: Mapping[UUID, End]) -> list[Decision]:
    """Decide what follows from the ends of jobs, and keep it. Jobs that no schedule started are passed over."""
    before = await store.lock_schedules(tx, await store.find_schedules_of(tx, list(ends)))
    now = await store.now(tx)
    after = dict(before)
    decisions: list[Decision] = []
    for schedule_id, standing in before.items():
        for firing in standing.open:
            end = ends.get(firing.awaited)
            if end is not None:
                decision = ended(after[schedule_id], firing, end, now)
                after[schedule_id] = decision.standing
                decisions.append(decision)
    await store.save(tx, before, after, now)
    return decisions


def messages_of(decisions: Sequence[Decision]) -> list[Outgoing]:
    """What decisions send: what they start, notices, and their facts."""
    messages = [timer.message for decision in decisions for timer in decision.messages]
    return messages + [outgoing(SCHEDULES_EVENTS, fact.schedule_id, fact, at=fact.at) for fact in facts_of(decisions)]


def _is_unknown(event: JobEnded) -> bool:
    """Whether a call of the job that must not be repeated may have been carried out."""
    reasons = [event.reason, *(failure.reason for failure in event.failures or ())]
    return any(reason.startswith(OUTCOME_UNKNOWN) for reason in reasons)


def _schedule_id(incoming: Incoming[ScheduleRequested]) -> UUID:
    event = incoming.event
    name = (event.schedule or {}).get("schedule")
    if event.schedule_id is not None:
        return event.schedule_id
    return schedule_id_of(name) if isinstance(name, str) else incoming.id
