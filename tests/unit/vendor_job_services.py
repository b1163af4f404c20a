"""Planner, gateway and fetcher as far as one vendor job concerns them. What they decide is decided by their own
functions; what they keep is kept here instead of in their tables."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.callback_gateway.clocks import ALMOST
from services.callback_gateway.match.decide import Expectation, Judged, afterwards, earliest, judge_all, latest
from services.callback_gateway.match.handler import report_of
from services.fetcher.call.decide import Answer, Empty, Succeeded, Try, Unanswered, may_have_it, verdict
from services.fetcher.call.messages import given_up
from services.fetcher.call.outcome import Page, Tried, outcome_of
from services.fetcher.call.vendor_jobs import call_of, read_heard
from services.fetcher.enqueue.decide import is_repeatable
from services.fetcher.model import Claimed, Ended
from services.planner.invoke.decide import apply_event
from services.planner.invoke.model import AskStatus, End, EndVendorJob, Expect, Submit, Transition, Wake
from services.planner.model import Resolved
from services.planner.waiting import Wait, end_wait, expected, first_expected, timer
from shared.events.callbacks import CallbackExpected, CallbackReceived, TaskDue
from shared.events.envelope import Incoming, Position, Record
from shared.events.payloads import Processing
from shared.events.tasks import OUTCOME_UNKNOWN, Attempt, Call, FetchRequested, SubmitWanted, TaskChanged, TaskState
from shared.messaging.handler import Outgoing
from shared.specification.vendor import Retry, Vendor
from shared.tokens import Claim, read_token
from tests.unit.planner.submits import SUBMIT, TASK

KEY = b"a key for callback URLs"
VENDOR = Vendor(vendor="acme", base_url="https://acme.example", retry=Retry(attempts=100, total=timedelta(days=30)))
"""It is called again for as long as it takes."""


class Planner:
    """The row of the submit."""

    def __init__(self, job: Resolved, task: Submit) -> None:
        self.task = task
        self.ends: list[TaskState] = []
        self._job = job

    def release(self, deadline_at: datetime) -> list[Outgoing]:
        """What goes out before the submit does."""
        wait = Wait(self.task.ref(self._job), resolved=self._job, input=self.task.input, deadline_at=deadline_at)
        return [first_expected(wait), timer(wait, "deadline", deadline_at)]

    def hear(self, event: TaskChanged | TaskDue, now: datetime) -> list[Outgoing]:
        """One event, and what it makes the planner send."""
        found = apply_event(Transition(self.task), self._job, event, now, paused=False)
        if not self.task.state.is_end:
            self.task = replace(found.task, submitted_at=None)
        messages = []
        wait = Wait(
            found.task.ref(self._job),
            resolved=self._job,
            input=found.task.input,
            deadline_at=found.task.deadline_at or now,
            vendor_job=found.task.vendor_job,
            submitted_at=found.task.submitted_at,
        )
        for effect in found.effects:
            match effect:
                case End():
                    self.ends.append(found.task.state)
                    messages += end_wait(wait)
                case Expect():
                    messages.append(expected(wait))
                case Wake(kind, after, number, in_grace):
                    messages.append(timer(wait, kind, now + after, number=number, in_grace=in_grace))
                case AskStatus() | EndVendorJob():
                    pass
        return messages


class Gateway:
    """The row of the task that waits, and the callbacks that are parked."""

    def __init__(self) -> None:
        self.task: Expectation | None = None
        self.parked: dict[UUID, CallbackReceived] = {}
        self.accepted: list[Judged] = []
        """What was passed on of outcomes."""

    def match(self, callback: CallbackReceived, now: datetime) -> list[Outgoing]:
        """A callback came."""
        return self._settle(judge_all([callback], [self.task] if self.task else []), now)

    def expect(self, event: CallbackExpected, sent_at: datetime, now: datetime) -> list[Outgoing]:
        """The task waits, or no longer does: parked callbacks may be for it."""
        record = Record(Position("callbacks.expected", 0, 0), None, None, (), sent_at)
        incoming = Incoming(event=event, id=UUID(int=0), delivery=0, record=record)
        [event] = latest([incoming.event])
        task = self.task = self._upsert(event, earliest([incoming])[event.task_id], now)
        parked = sorted(self.parked.values(), key=lambda one: (one.received_at, one.callback_id))
        judged = judge_all([one for one in parked if _may_be_for(task, one)], [task])
        return self._settle([one for one in judged if one.verdict != "parked"], now)

    def _upsert(self, event: CallbackExpected, since: datetime, now: datetime) -> Expectation:
        """As `upsert_expectations.sql` does within a round."""
        kept = self.task
        return Expectation(
            task_id=event.task_id,
            job_id=event.job_id,
            number=event.number,
            round=event.round,
            vendor=event.vendor,
            rules=event.rules,
            deadline_at=max(event.deadline_at, kept.deadline_at) if kept else event.deadline_at,
            vendor_job=event.vendor_job or (kept.vendor_job if kept else None),
            over=event.over or (kept is not None and kept.over),
            reported=kept.reported if kept else None,
            updated_at=now,
            since=min(since, kept.since) if kept else since,
            told_vendor_job=kept is not None and kept.told_vendor_job,
        )

    def _settle(self, judged: list[Judged], now: datetime) -> list[Outgoing]:
        for one in judged:
            if one.verdict == "parked":
                self.parked[one.callback.callback_id] = one.callback
            else:
                self.parked.pop(one.callback.callback_id, None)
            if one.verdict == "accepted" and one.reported != "progress":
                self.accepted.append(one)
        if self.task:
            [self.task] = afterwards([self.task], judged)
        return [report_of(one, now) for one in judged if one.is_news]


def _may_be_for(task: Expectation, callback: CallbackReceived) -> bool:
    """As `find_parked.sql` does."""
    if callback.task_id is not None:
        return callback.task_id == task.task_id
    return callback.vendor_job == task.vendor_job and callback.received_at >= task.since - ALMOST


class Fetcher:
    """The row of the call, and the fetcher that has it in hand. Another one takes over at once when it dies."""

    def __init__(self, task: Submit, now: datetime, deadline: timedelta, *, has_key: bool) -> None:
        headers = {"Idempotency-Key": str(TASK)} if has_key else {}
        wanted = SubmitWanted(vendor_job="body.id", deadline=deadline, template=True)
        request = FetchRequested(
            task_id=task.id,
            job_id=task.job_id,
            number=task.number,
            vendor="acme",
            purpose="submit",
            call=Call(method="POST", path="/reports", headers=headers, body=SUBMIT["json"]),
            submit=wanted,
            processing=Processing(source="reports"),
        )
        origin = {"topic": "fetch.requested", "partition": 0, "offset": 0, "delivery": 0}
        self.call = Claimed(UUID(int=9), request, b"", origin, VENDOR, is_repeatable(request), 1, 1, now, None, now, 0)
        self.state: Literal["waiting", "claimed", "left", "over"] = "waiting"
        self.deaths = 0
        self._is_marked = False
        self._left_at = now

    def claim(self) -> None:
        """Take the call in hand."""
        self.state = "claimed"

    def leave(self, now: datetime) -> Claim:
        """The request is on the socket, after it was marked where it must not be repeated; gives what its token stands
        for."""
        self.state, self._left_at, self._is_marked = "left", now, not self.call.repeatable
        call = call_of(self.call.request, "https://sluice.example", lambda: KEY, now)
        claim = read_token(KEY, call.body["url"].rsplit("/", 1)[1])
        assert claim is not None
        return claim

    def end(self, answer: Answer | Unanswered, now: datetime) -> list[Outgoing]:
        """The call was answered, or never will be."""
        call = self.call
        this = Try(call.attempt, call.first_attempt_at, call.limited_since, call.repeatable)
        decided = verdict(answer, VENDOR, this, now, 0.5)
        if isinstance(decided, (Succeeded, Empty)):
            assert isinstance(answer, Answer)
            heard = read_heard(call.request, answer.status, answer.headers, answer.body())
            outcome = outcome_of(call, Page(None, None, heard), Tried(self._left_at, 0.1), now)
        else:
            outcome = outcome_of(call, decided, Tried(self._left_at, 0.1, sent=may_have_it(answer)), now)
        if isinstance(outcome, Ended):
            self.state = "over"
        else:
            self._wait_again(attempt=outcome.next_attempt, may_have_left=outcome.may_have_left)
            self.deaths = 0
        return list(outcome.messages)

    def die(self, now: datetime) -> list[Outgoing]:
        """As `return_calls.sql` and `find_lost.sql` do: the call waits again, or its outcome is unknown."""
        self.deaths += 1
        may_have_left = self.call.may_have_left or self._is_marked
        if self.call.repeatable or not may_have_left:
            self._wait_again(may_have_left=may_have_left or self.call.repeatable)
            return []
        self.state = "over"
        reason = f"{OUTCOME_UNKNOWN}: the fetcher ended while the call was open"
        attempt = Attempt(attempt=1, started_at=now, seconds=0.0, verdict="give_up", reason=reason)
        return list(given_up(self.call, reason, attempt, now, unknown=may_have_left))

    def _wait_again(self, **changes: Any) -> None:
        self.call = replace(self.call, claim=self.call.claim + 1, **changes)
        self.state, self._is_marked = "waiting", False
