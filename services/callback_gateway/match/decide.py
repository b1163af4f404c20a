"""What a callback means for the task that waits for it. Pure.

A token names a task and its round, and counts for one outcome. What comes after the outcome, after the wait, or for an
earlier round is recorded and not applied. A vendor's own id may be that of several tasks: many vendors answer the same
submit twice with the same job. A task whose submit is answered only after that job's callback came hears of it, too, if
it came after the submit had left: what came before is of an earlier job, for vendors use their ids again. What was
reported to no task counts from the time at which the first submit could leave, as a submit may be repeated.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.callback_gateway.clocks import ALMOST
from shared.events.callbacks import CallbackExpected, CallbackReceived
from shared.events.envelope import Incoming
from shared.specification.bodies import json_in
from shared.specification.vendor import Callbacks
from shared.specification.vendor_jobs import Reported, reported_by, vendor_job_of

Verdict = Literal["parked", "accepted", "duplicate", "late", "unknown"]
_BEST_FIRST: tuple[Verdict, ...] = ("accepted", "duplicate", "late", "unknown", "parked")


@dataclass(frozen=True, slots=True)
class Expectation:
    """A task that waits. `reported` is the outcome that a callback reported; `told_vendor_job`: one has brought the
    vendor's id, too, and the task will say that it has it; `over`: nobody waits any more. A callback by the vendor's id
    that came before `since` is of another job, whose id the vendor uses again."""

    task_id: UUID
    job_id: UUID
    number: int
    round: int
    vendor: str
    rules: Callbacks
    deadline_at: datetime
    vendor_job: str | None
    over: bool
    reported: Reported | None
    updated_at: datetime
    since: datetime
    correlation_id: UUID | None = None
    told_vendor_job: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A callback with its verdict for one task. `expectation` is that task's, as it is afterwards. `is_news`: the task
    is to hear of it."""

    callback: CallbackReceived
    verdict: Verdict
    expectation: Expectation | None = None
    reported: Reported | None = None
    vendor_job: str | None = None
    is_news: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """An outcome that a callback reported of a task's vendor job before it was known to be this task's, too. The
    callback is without its content."""

    task_id: UUID
    callback: CallbackReceived
    reported: Reported


def judge(callback: CallbackReceived, found: Expectation | None) -> Judged:
    """Decide what a callback is worth. One that is for nobody yet, or for a round yet to come, is parked."""
    vendor_job = callback.vendor_job
    if found is None or (callback.task_id is not None and callback.round > found.round):
        return Judged(callback, "parked", vendor_job=vendor_job)
    if callback.vendor != found.vendor:
        return Judged(callback, "unknown", vendor_job=vendor_job)
    document = _document(callback)
    vendor_job = vendor_job or vendor_job_of(found.rules.vendor_job, document)
    return _judged(callback, found, reported_by(found.rules.outcome, document), vendor_job)


def _judged(
    callback: CallbackReceived, found: Expectation, reported: Reported | None, vendor_job: str | None
) -> Judged:
    verdict = _verdict(callback, found, reported)
    # A repeat may bring the vendor's id for the first time. Without it a job that is done has no results.
    names_job = vendor_job is not None and found.vendor_job is None and not found.told_vendor_job
    is_news = verdict == "accepted" or (verdict == "duplicate" and names_job)
    if verdict == "accepted" and reported != "progress":
        found = replace(found, reported=reported)
    if is_news and names_job:
        found = replace(found, told_vendor_job=True)
    return Judged(callback, verdict, found, reported, vendor_job, is_news)


def _verdict(callback: CallbackReceived, found: Expectation, reported: Reported | None) -> Verdict:
    if callback.task_id is not None and callback.round < found.round:
        return "late"
    if reported is not None and reported == found.reported:
        return "duplicate"
    deadline_at = max(found.deadline_at, callback.expires_at or found.deadline_at)
    if found.over or found.reported is not None or callback.received_at > deadline_at:
        return "late"
    return "unknown" if reported is None else "accepted"


def _document(callback: CallbackReceived) -> dict[str, Any]:
    """What expressions see; a body that is no JSON is null."""
    return {"body": json_in(base64.b64decode(callback.body)), "headers": callback.headers}


def find(callback: CallbackReceived, expectations: Iterable[Expectation]) -> list[Expectation]:
    """The tasks that a callback is for: by its token that one, else all that wait for that vendor's job; where nobody
    waits any more, the latest that did."""
    if callback.task_id is not None:
        return [one for one in expectations if one.task_id == callback.task_id]
    if callback.vendor_job is None:
        return []
    named = [one for one in expectations if _names(callback, one)]
    named.sort(key=lambda one: (not one.over, one.updated_at), reverse=True)
    return [one for one in named if not one.over] or named[:1]


def _names(callback: CallbackReceived, one: Expectation) -> bool:
    same = (one.vendor, one.vendor_job) == (callback.vendor, callback.vendor_job)
    return same and callback.received_at + ALMOST >= one.since


def judge_all(
    callbacks: Sequence[CallbackReceived], expectations: Sequence[Expectation], missed: Sequence[Missed] = ()
) -> list[Judged]:
    """Judge callbacks one after the other, each for every task that it is for, and before them what tasks have missed:
    an outcome that the first one tells is known to the next."""
    known = {one.task_id: one for one in expectations}
    judged = [_judged(one.callback, known[one.task_id], one.reported, one.callback.vendor_job) for one in missed]
    known = {one.task_id: one for one in afterwards(expectations, judged)}
    for callback in callbacks:
        tasks: list[Expectation | None] = [*find(callback, known.values())]
        for one in [judge(callback, found) for found in tasks or [None]]:
            if one.expectation is not None:
                known[one.expectation.task_id] = one.expectation
            judged.append(one)
    return judged


def afterwards(expectations: Sequence[Expectation], judged: Iterable[Judged]) -> list[Expectation]:
    """The tasks as these verdicts leave them."""
    changed = {one.expectation.task_id: one.expectation for one in judged if one.expectation is not None}
    return [changed.get(one.task_id, one) for one in expectations]


def one_for_each(judged: Iterable[Judged]) -> list[Judged]:
    """What is shown of each callback: of its verdicts the best, in the order in which they came."""
    best: dict[UUID, Judged] = {}
    for one in judged:
        before = best.get(one.callback.callback_id)
        if before is None or _BEST_FIRST.index(one.verdict) < _BEST_FIRST.index(before.verdict):
            best[one.callback.callback_id] = one
    return list(best.values())


def latest(events: Iterable[CallbackExpected]) -> list[CallbackExpected]:
    """One event for each task: its latest round, with all that was said of it."""
    merged: dict[UUID, CallbackExpected] = {}
    for event in events:
        before = merged.get(event.task_id)
        if before is not None and before.round > event.round:
            continue
        if before is not None and before.round == event.round:
            known = {
                "vendor_job": event.vendor_job or before.vendor_job,
                "submitted_at": event.submitted_at or before.submitted_at,
                "over": event.over or before.over,
            }
            longest = max(event.deadline_at, before.deadline_at)
            event = event.model_copy(update={**known, "deadline_at": longest})
        merged[event.task_id] = event
    return sorted(merged.values(), key=lambda event: event.task_id)


def earliest(batch: Iterable[Incoming[CallbackExpected]]) -> dict[UUID, datetime]:
    """When the submit of each task could leave at the earliest, as far as these events show it: the first one is sent
    before any submit leaves. It may be read late, so its own time counts, and no later than a submit that did leave."""
    found: dict[UUID, datetime] = {}
    for incoming in batch:
        event, at = incoming.event, incoming.record.timestamp
        found[event.task_id] = min(at, event.submitted_at or at, found.get(event.task_id, at))
    return found


def keys_of(events: Iterable[CallbackExpected | CallbackReceived]) -> list[str]:
    """What two transactions must not decide at the same time."""
    keys = set()
    for event in events:
        if event.task_id is not None:
            keys.add(f"task {event.task_id}")
        if event.vendor_job is not None and (isinstance(event, CallbackExpected) or event.task_id is None):
            keys.add(f"vendor job {event.vendor} {event.vendor_job}")
    return sorted(keys)
