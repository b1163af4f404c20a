"""One vendor job through planner, fetcher and gateway. Whatever dies, is lost, comes early, late or twice: its task
ends once, nothing is submitted twice that must not be, and no callback that came in time is lost."""

import base64
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.fetcher.call.decide import Answer, Unanswered
from services.fetcher.model import MOST_TAKEOVERS
from shared.events.callbacks import CallbackExpected, CallbackReceived, TaskDue
from shared.events.catalogue import CALLBACKS_EXPECTED, TASKS_EVENTS, TIMERS_REQUESTED
from shared.events.envelope import CE_ID
from shared.events.tasks import TaskChanged, TaskState
from shared.events.timers import TimerRequested
from shared.messaging.handler import Outgoing
from shared.tokens import Claim
from tests.unit.planner.submits import NOW, TASK, resolved, waits
from tests.unit.vendor_job_services import Fetcher, Gateway, Planner

RULES = {
    "vendor_job": "body.job",
    "outcome": {
        "done": "body.says == 'done'",
        "failed": "body.says == 'failed'",
        "progress": "body.says == 'progress'",
    },
}
DEADLINE = timedelta(hours=1)
HARDLY_LATE = timedelta(seconds=9)
"""A timer that is less late than that ends its wait at once, whatever has not been handled yet."""
OUTCOMES = {"done": TaskState.COMPLETED, "failed": TaskState.FAILED}
Says = Literal["done", "failed", "progress"]
Message = TaskChanged | TaskDue | CallbackExpected | CallbackReceived
Ending = Literal["answered", "answered without an id", "lost", "unavailable"]
ENDINGS: dict[Ending, Answer | Unanswered] = {
    "answered": Answer(202, {}, lambda: {"id": "r1"}),
    "answered without an id": Answer(202, {}, lambda: {}),
    "lost": Unanswered("timeout", sent=True),
    "unavailable": Answer(503, {}),
}
REFUSED = Answer(429, {"retry-after": "1"})
NEVER_SENT = Unanswered("connect", sent=False)


class Life(RuleBasedStateMachine):
    """A task, its vendor, a clock, processes that die, and a broker that keeps no order."""

    @initialize(has_key=st.booleans(), has_heartbeat=st.booleans())
    def release(self, has_key: bool, has_heartbeat: bool) -> None:
        """The vendor has just reported of an earlier job, whose id it uses again."""
        job = resolved(RULES, **({"heartbeat": "25m"} if has_heartbeat else {}))
        self.now, self.may_be_repeated = NOW, has_key
        self.queue: list[tuple[Message, datetime]] = []
        """What was sent, when, and is not handled yet."""
        self.sent: set[str] = set()
        self.timers: dict[UUID, TaskDue] = {}
        self.claim: Claim | None = None
        """What the vendor's callback URL stands for."""
        self.submits, self.callbacks = 0, 0
        self.in_time: list[tuple[Says, bool]] = []
        """Each outcome that the vendor reported in time, and whether by token and with its id in the body."""
        self.planner, self.gateway = Planner(job, waits()), Gateway()
        self.fetcher = Fetcher(self.planner.task, NOW, DEADLINE, has_key=has_key)
        self.send(self.planner.release(NOW + DEADLINE))
        self.call_back("failed", NOW - timedelta(minutes=1))

    def send(self, messages: list[Outgoing]) -> None:
        """To the broker, which has each once: a ledger drops what comes again under the same id."""
        for message in messages:
            found = dict(message.headers)[CE_ID].decode()
            if found in self.sent:
                continue
            self.sent.add(found)
            if message.topic == CALLBACKS_EXPECTED.name:
                self.queue.append((CallbackExpected.model_validate_json(message.value or b""), self.now))
            elif message.topic == TIMERS_REQUESTED.name:
                self.set_timer(TimerRequested.model_validate_json(message.value or b""))
            elif message.topic == TASKS_EVENTS.name:
                event = TaskChanged.model_validate_json(message.value or b"")
                if event.state is TaskState.WAITING:
                    self.queue.append((event, self.now))

    def set_timer(self, wanted: TimerRequested) -> None:
        if wanted.action == "cancel":
            self.timers.pop(wanted.timer_id, None)
        else:
            self.timers[wanted.timer_id] = TaskDue.model_validate_json(wanted.value)

    def handle(self, place: int) -> None:
        """One message of the queue is handled."""
        message, sent_at = self.queue.pop(place)
        match message:
            case CallbackReceived():
                self.send(self.gateway.match(message, self.now))
            case CallbackExpected():
                self.send(self.gateway.expect(message, sent_at, self.now))
            case TaskChanged() | TaskDue():
                self.send(self.planner.hear(message, self.now))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def a_message_is_handled(self, data: st.DataObject) -> None:
        self.handle(data.draw(st.integers(0, len(self.queue) - 1)))

    @precondition(lambda self: self.fetcher.state == "waiting")
    @rule(ending=st.sampled_from([None, None, None, REFUSED, NEVER_SENT]))
    def the_call_leaves(self, ending: Answer | Unanswered | None) -> None:
        """The vendor takes it, or does not, and says so."""
        self.fetcher.claim()
        claim = self.fetcher.leave(self.now)
        if ending is None:
            self.claim, self.submits = claim, self.submits + 1
        else:
            self.send(self.fetcher.end(ending, self.now))

    @precondition(lambda self: self.fetcher.state == "left")
    @rule(ending=st.sampled_from(sorted(ENDINGS)))
    def the_vendor_answers(self, ending: Ending) -> None:
        self.send(self.fetcher.end(ENDINGS[ending], self.now))

    @precondition(lambda self: self.fetcher.state != "over" and self.fetcher.deaths < MOST_TAKEOVERS - 1)
    @rule()
    def the_fetcher_dies(self) -> None:
        """Before the call left, or between that and the record of its answer."""
        if self.fetcher.state == "waiting":
            self.fetcher.claim()
        self.send(self.fetcher.die(self.now))

    @precondition(lambda self: self.claim is not None)
    @rule(says=st.sampled_from(["done", "failed", "progress"]), by_token=st.booleans(), names_job=st.booleans())
    def the_vendor_calls_back(self, says: Says, by_token: bool, names_job: bool) -> None:
        """At any time since it has the submit, as often as it likes, with its id in the body or not."""
        claim = self.claim
        assert claim is not None
        self.call_back(says, self.now, claim if by_token else None, names_job=names_job)
        if says in OUTCOMES and self.now <= claim.expires_at and not self.planner.ends:
            self.in_time.append((says, by_token and names_job))

    def call_back(self, says: Says, at: datetime, claim: Claim | None = None, *, names_job: bool = True) -> None:
        """By token, if there is a claim, else by the vendor's id."""
        self.callbacks += 1
        body = orjson.dumps({"says": says} | ({"job": "r1"} if names_job else {}))
        callback = CallbackReceived(
            callback_id=UUID(int=self.callbacks),
            vendor="acme",
            task_id=TASK if claim else None,
            expires_at=claim.expires_at if claim else None,
            vendor_job=None if claim else "r1",
            body=base64.b64encode(body).decode(),
            received_at=at,
        )
        self.queue.append((callback, at))

    @rule(minutes=st.sampled_from([1, 20, 40]), newest_first=st.booleans())
    def time_passes(self, minutes: int, newest_first: bool) -> None:
        """Sluice is at work: a message is handled before the next timer is due. Timers come first if they are late."""
        until = self.now + timedelta(minutes=minutes)
        late = [one for one in self.timers.values() if one.due_at <= self.now]
        if any(one.due_at + HARDLY_LATE > self.now for one in late):
            self.now += HARDLY_LATE
        self.fire(self.now)
        while True:
            self.drain(newest_first=newest_first)
            due = min((one.due_at for one in self.timers.values() if one.due_at), default=None)
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.fire(self.now)
        self.now = max(self.now, until)

    @rule(minutes=st.sampled_from([1, 40, 61]))
    def sluice_is_away(self, minutes: int) -> None:
        """All of it but what takes callbacks: nothing leaves."""
        self.now += timedelta(minutes=minutes)

    def fire(self, now: datetime) -> None:
        for timer_id, due in list(self.timers.items()):
            if due.due_at <= now:
                del self.timers[timer_id]
                self.queue.insert(0, (due, now))

    def drain(self, *, newest_first: bool = False) -> None:
        while self.queue:
            self.handle(-1 if newest_first else 0)

    @invariant()
    def its_task_ends_once(self) -> None:
        assert len(self.planner.ends) <= 1

    @invariant()
    def one_outcome_is_passed_on(self) -> None:
        assert len(self.gateway.accepted) <= 1

    @invariant()
    def it_is_submitted_once_unless_it_may_be_repeated(self) -> None:
        assert self.submits <= 1 or self.may_be_repeated

    @invariant()
    def it_does_not_end_before_it_was_submitted(self) -> None:
        assert self.submits or not self.planner.ends

    def teardown(self) -> None:
        """Every wait ends, once the call has: with what the vendor reported, if that came in time."""
        self.time_passes(1, newest_first=False)
        while self.fetcher.state != "over":
            if self.fetcher.state == "waiting":
                self.the_call_leaves(None)
            else:
                self.the_vendor_answers("answered")
        for _ in range(10):
            self.time_passes(40, newest_first=False)
        [end] = self.planner.ends
        known = self.planner.task.vendor_job is not None
        passed_on = {str(one.reported) for one in self.gateway.accepted}
        usable = any(known or (named and says in (passed_on or OUTCOMES)) for says, named in self.in_time)
        assert not usable or end is not TaskState.EXPIRED
        if end is not TaskState.EXPIRED:
            [accepted] = self.gateway.accepted
            assert end is OUTCOMES[str(accepted.reported)]


# The same histories in each run: to look further, raise max_examples and leave derandomize out.
TestLife = Life.TestCase
TestLife.settings = settings(max_examples=500, stateful_step_count=20, deadline=None, derandomize=True)
