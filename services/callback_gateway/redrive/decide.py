"""What a dead letter is sent again as. Pure.

A letter that closed its task goes back through the planner, as an order to plan exactly that task again: so the job's
counts, the task and the letter agree, whatever happens on the way. Any other letter goes back as the bytes it came as,
as its next delivery, to the group that gave it up.
"""

from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from shared.events.catalogue import FETCH_REQUESTED, JOBS_CONTROL, PAYLOADS_STORED, topics
from shared.events.dead_letters import DeadLetter
from shared.events.envelope import REDRIVES
from shared.events.jobs import JobControl
from shared.events.payloads import PayloadStored
from shared.events.tasks import FetchRequested
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing

_TOPICS = {topic.name: topic for topic in topics()}
_CLOSES_NOTHING = ("status", "abort")
"""Calls beside a task's own: when they are given up, the task goes on or is over anyway."""
_RECORD_BYTES = 512
PUBLISHED_AGAIN = "a configuration is published again, not sent again"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it is kept. `round` is that of the task which it closed, if it closed one."""

    id: UUID
    event: DeadLetter
    round: int | None
    redrives: int


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Nothing can be sent for this letter."""

    reason: str


def closed_round(letter: DeadLetter) -> int | None:
    """The round of the task that ended with this letter; nothing if no task did."""
    if letter.job_id is None or letter.task_id is None:
        return None
    try:
        value = letter.original.record().value or b""
        match letter.service:
            case "fetcher":
                call: FetchRequested = FETCH_REQUESTED.adapter.validate_json(value, extra="ignore")
                return None if call.purpose in _CLOSES_NOTHING else call.round
            case "processor":
                page: PayloadStored = PAYLOADS_STORED.adapter.validate_json(value, extra="ignore")
                return page.round
    except (ValidationError, ValueError):
        return None
    return None


def times_redriven(letter: DeadLetter) -> int:
    """How often it was redriven before it came back: a task counts that as rounds, a message in a header."""
    found = closed_round(letter)
    if found is not None:
        return found
    try:
        text = letter.original.record().header(REDRIVES)
    except ValueError:
        return 0
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def topics_of_state(prefix: str) -> list[str]:
    """The full names of topics of which nothing is ever sent again."""
    return [topic.full_name(prefix) for topic in _TOPICS.values() if topic.is_state]


def not_whole(left_out: str | None) -> str:
    """Why an original of which something was left out cannot be sent again; nothing if it is all there."""
    return f"its message was too large for a dead letter, and is not kept: {left_out}" if left_out else ""


def message_of(letter: Letter, prefix: str) -> Outgoing | Unsendable:
    """What to send. It is the same whenever it is made, so that sending it twice counts once."""
    event = letter.event
    if letter.round is not None and event.job_id is not None and event.task_id is not None:
        order = JobControl(
            job_id=event.job_id,
            action="redrive",
            task_ids=(event.task_id,),
            round=letter.round,
            reason=f"dead letter {letter.id}",
        )
        return outgoing(JOBS_CONTROL, event.job_id, order, id=derived_id("redrive", letter.id))
    return _original_again(letter, prefix)


def _original_again(letter: Letter, prefix: str) -> Outgoing | Unsendable:
    event = letter.event
    if why := not_whole(event.original.left_out):
        return Unsendable(why)
    try:
        record = event.original.record()
    except ValueError as error:
        return Unsendable(f"undecodable: {error}")
    topic = _TOPICS.get(record.position.topic.removeprefix(f"{prefix}."))
    if topic is None:
        return Unsendable(f"no topic of this installation is called {record.position.topic[:100]}")
    if topic.is_state:
        return Unsendable(PUBLISHED_AGAIN)
    # Letters of earlier releases name a topic and a behaviour where no group gave the event up.
    group = event.group if event.group.startswith(f"{prefix}.") else ""
    headers = event.original.headers_again(event.event_id, event.delivery + 1, group)
    headers = (*((name, value) for name, value in headers if name != REDRIVES), (REDRIVES, _next(letter)))
    size = len(record.key or b"") + len(record.value or b"") + sum(len(name) + len(value) for name, value in headers)
    if size > topic.max_message_bytes - _RECORD_BYTES:
        return Unsendable(f"a message of {size} bytes is too large for {topic.name}")
    key = (record.key or b"").decode("utf-8", errors="surrogateescape")
    return Outgoing(topic.name, key, record.value, headers)


def _next(letter: Letter) -> bytes:
    return str(letter.redrives + 1).encode()
