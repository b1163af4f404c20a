"""The message that a redrive of a dead letter sends. Pure.

For a letter that closed its task, the message is an order to the planner to plan exactly that task again; so the job's
counts, the task and the letter agree, whatever happens on the way. For any other letter it is the original message,
byte for byte, as its next delivery, for the consumer group that gave it up.
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
"""Purposes of calls that do not close their task: when one is given up, the task goes on, or was over before."""
_RECORD_BYTES = 512
PUBLISHED_AGAIN = "a configuration is published again, not sent again"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the table keeps it. `round` is the round of the task that it closed; None if it closed none."""

    id: UUID
    event: DeadLetter
    round: int | None
    redrives: int


@dataclass(frozen=True, slots=True)
class Unsendable:
    """No message can be sent for this letter."""

    reason: str


def closed_round(letter: DeadLetter) -> int | None:
    """The round of the task that this letter closed; None if it closed none."""
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
    """How often a redrive led to this letter: by the round of its task, or by a header of its message."""
    found = closed_round(letter)
    if found is not None:
        return found
    try:
        text = letter.original.record().header(REDRIVES)
    except ValueError:
        return 0
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def topics_of_state(prefix: str) -> list[str]:
    """The full names of the topics of configuration, of which no record is redriven."""
    return [topic.full_name(prefix) for topic in _TOPICS.values() if topic.is_state]


def not_whole(left_out: str | None) -> str:
    """Why a letter whose original is incomplete cannot be sent again; an empty text if the original is complete."""
    return f"its message was too large for a dead letter, and is not kept: {left_out}" if left_out else ""


def message_of(letter: Letter, prefix: str) -> Outgoing | Unsendable:
    """The message to send. Each call gives the same message, so that consumers drop it if it is sent twice."""
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
    headers = event.original.headers_again(event.event_id, event.delivery + 1, event.group)
    headers = (*((name, value) for name, value in headers if name != REDRIVES), (REDRIVES, _next(letter)))
    size = len(record.key or b"") + len(record.value or b"") + sum(len(name) + len(value) for name, value in headers)
    if size > topic.max_message_bytes - _RECORD_BYTES:
        return Unsendable(f"a message of {size} bytes is too large for {topic.name}")
    key = (record.key or b"").decode("utf-8", errors="surrogateescape")
    return Outgoing(topic.name, key, record.value, headers)


def _next(letter: Letter) -> bytes:
    return str(letter.redrives + 1).encode()
