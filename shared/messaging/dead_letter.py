"""A message that could not be handled is delivered again later, or goes to the dead-letter topic. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Any
from uuid import UUID

from shared.errors import RefusedByTarget, Rejected
from shared.events.catalogue import DEAD, RETRIES
from shared.events.dead_letters import POSTPONED, REFUSED, WAITED, DeadLetter, Original, RetryRequested
from shared.events.envelope import Incoming, Record, delivery, event_id, place_of
from shared.ids import derived_id
from shared.messaging.decode import UNSUPPORTED_VERSION, Poison
from shared.messaging.handler import Again, Outgoing, Refuse, outgoing

DELIVERIES = 5
_FIRST_RETRY_SECONDS = 1.0
_RETRY_GROWTH = 4.0
_FIRST_POSTPONED_SECONDS = 2.5
_LONGEST_POSTPONED_SECONDS = 300.0
_LONGEST_ERROR = 4000
_LONGEST_KEY_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class LetterWriter:
    """Writes the retry and dead-letter messages of one consumer group of one service. With `sends_again` false (topics
    of configuration) there are no retries: a message that would be retried becomes a dead letter at once."""

    service: str
    group: str
    sends_again: bool = True

    def gives_up(self, incoming: Incoming[Any], error: Exception) -> str:
        """The reason for which a failed event is given up now; an empty text if it is tried again."""
        if isinstance(error, Rejected):
            return error.reason
        return "" if self._comes_again(_failures(incoming)) else _word_for(error)

    def failed(self, incoming: Incoming[Any], error: Exception, now: datetime) -> Outgoing:
        """The message for a single event whose handler raised: a retry a few times, then a dead letter."""
        text = str(error) if isinstance(error, Rejected) else describe_defect(error)
        if reason := self.gives_up(incoming, error):
            return self.refuse(Refuse(incoming, reason, text), now)
        return self.again(Again(incoming, _wait_after(_failures(incoming)), _word_for(error)), now, error=text)

    def again(self, asked: Again, now: datetime, *, error: str = "") -> Outgoing:
        """The message that has the original sent to its topic again later, as the next delivery."""
        incoming = asked.incoming
        if not self.sends_again:
            return self.refuse(Refuse(incoming, asked.reason, error), now)
        number, record = incoming.delivery + 1, incoming.record
        if asked.waited:
            record = _with_counts(record, {WAITED: times(WAITED, record) + 1})
        event = RetryRequested(
            service=self.service,
            group=self.group,
            event_id=incoming.id,
            delivery=number,
            not_before=now + timedelta(seconds=asked.after_seconds),
            reason=asked.reason,
            error=error[:_LONGEST_ERROR],
            original=Original.of(record),
        )
        key = _key(incoming.record.key, incoming.id)
        try:
            return outgoing(RETRIES[self.service], key, event, id=self._id("retry", incoming.id, number))
        except Rejected:
            # Without its headers it would be another event, so it is not sent again.
            return self.refuse(Refuse(incoming, asked.reason, error), now)

    def refuse(self, refused: Refuse, now: datetime) -> Outgoing:
        """The dead letter of an event, for a person to look at."""
        incoming = refused.incoming
        event = DeadLetter(
            service=self.service,
            group=self.group,
            event_id=incoming.id,
            delivery=incoming.delivery,
            reason=refused.reason,
            error=refused.error[:_LONGEST_ERROR],
            history=refused.history,
            job_id=refused.job_id or _uuid(incoming.event, "job_id"),
            task_id=refused.task_id or _uuid(incoming.event, "task_id"),
            at=now,
            original=Original.of(incoming.record),
        )
        key = _key(incoming.record.key, incoming.id)
        return self._letter(key, event, self._id("dead", incoming.id, incoming.delivery))

    def may_be_read_later(self, poison: Poison) -> bool:
        """Whether a record that cannot be read may be readable soon, by a later release that is being deployed."""
        return poison.reason == UNSUPPORTED_VERSION and self._comes_again(_failures(unread_of(poison)))

    def put_off(self, unread: Incoming[Poison], now: datetime) -> Outgoing:
        """The message that has such a record sent again later."""
        poison = unread.event
        return self.again(Again(unread, _wait_after(_failures(unread)), poison.reason), now, error=poison.error)

    def postpone(self, incoming: Incoming[Any], refused: int, why: str, now: datetime) -> Outgoing:
        """The message that has the original sent again later as the same delivery: what the event causes is in the
        ledger, but could not be sent. `refused`: how many times in a row because a topic was gone or forbidden."""
        number = times(POSTPONED, incoming.record) + 1
        record = _with_counts(incoming.record, {POSTPONED: number, REFUSED: refused})
        event = RetryRequested(
            service=self.service,
            group=self.group,
            event_id=incoming.id,
            delivery=incoming.delivery,
            not_before=now + timedelta(seconds=postponed_seconds(number)),
            reason="topic_unavailable",
            error=why,
            original=Original.of(record),
        )
        id = derived_id("postponed", self.group, incoming.id, incoming.delivery, number)
        return outgoing(RETRIES[self.service], _key(record.key, incoming.id), event, id=id)

    def poison(self, poison: Poison, now: datetime) -> Outgoing:
        """The dead letter of a record that is no event. Its id is derived from the record's place in the log, so that
        it is one letter however often it is written."""
        record = poison.record
        identity = event_id(record)
        event = DeadLetter(
            service=self.service,
            group=self.group,
            event_id=identity,
            delivery=delivery(record),
            reason=poison.reason,
            error=poison.error,
            at=now,
            original=Original.of(record),
        )
        letter = derived_id("dead", self.group, *place_of(record))
        return self._letter(_key(record.key, identity), event, letter)

    def _comes_again(self, repeats_before: int) -> bool:
        return self.sends_again and repeats_before + 1 < DELIVERIES

    def _letter(self, key: str, event: DeadLetter, id: UUID) -> Outgoing:
        """A letter can be too large though its original was not: names of headers may grow sixfold in JSON, and the
        original may have been compressed. Such a letter goes without the original's headers, or also without its
        value if it is still too large."""
        for whole in (event, _without_headers(event)):
            try:
                return outgoing(DEAD[self.service], key, whole, id=id)
            except Rejected:
                continue
        return outgoing(DEAD[self.service], key, _without_value(event), id=id)

    def _id(self, kind: str, event: UUID, number: int) -> UUID:
        return derived_id(kind, self.group, event, number)


def describe_defect(error: Exception) -> str:
    """A defect as a dead letter describes it: the kind of error, where it was raised, and a digest of its traceback, by
    which the same defect is recognised. The error's text may contain values of the event, so only the log has it."""
    if isinstance(error, RefusedByTarget):
        return str(error)
    frames = extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last, way = frames[-1], [f"{Path(frame.filename).name} {frame.name} {frame.line}" for frame in frames]
    digest = hashlib.sha256("\n".join([type(error).__name__, *way]).encode()).hexdigest()[:12]
    return f"{type(error).__name__} in {last.name} ({Path(last.filename).name}:{last.lineno}), traceback {digest}"


def _without_headers(letter: DeadLetter) -> DeadLetter:
    return letter.model_copy(update={"original": letter.original.model_copy(update={"headers": ()})})


def _without_value(letter: DeadLetter) -> DeadLetter:
    """The error gives the size and digest of what is left out, by which it can be found elsewhere."""
    record = letter.original.record()
    left_out, key = [_digest("value", record.value or b"")], letter.original.key
    if record.key and len(record.key) > _LONGEST_KEY_BYTES:
        left_out, key = [*left_out, _digest("key", record.key)], None
    text = " and ".join(left_out)
    original = letter.original.model_copy(update={"headers": (), "value": None, "key": key, "left_out": text})
    error = f"{letter.error}; too large for a dead letter: {text}".removeprefix("; ")
    return letter.model_copy(update={"original": original, "error": error})


def _digest(what: str, data: bytes) -> str:
    return f"a {what} of {len(data)} bytes (SHA-256 {hashlib.sha256(data).hexdigest()})"


def postponed_seconds(number: int) -> float:
    """How long an event waits that is postponed for the first time (1), the second …"""
    return min(_FIRST_POSTPONED_SECONDS * 2.0**number, _LONGEST_POSTPONED_SECONDS)


def times(header: str, record: Record) -> int:
    """The number in a header that counts something; 0 if it is not a number."""
    text = record.header(header)
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def _with_counts(record: Record, counts: Mapping[str, int]) -> Record:
    """The record with these numbers in its headers."""
    others = ((name, value) for name, value in record.headers if name not in counts)
    return replace(record, headers=(*others, *((name, str(count).encode()) for name, count in counts.items())))


def _failures(incoming: Incoming[Any]) -> int:
    """How many deliveries before this one failed, in its series. A replay begins a series with the old headers."""
    return max(incoming.repeats - times(WAITED, incoming.record), 0)


def unread_of(poison: Poison) -> Incoming[Poison]:
    """A record that could not be read, with the id and the delivery that the ledger knows it by."""
    return Incoming(poison, event_id(poison.record), delivery(poison.record), poison.record)


def _word_for(error: Exception) -> str:
    """The reason in one word; any other kind of error is a defect of Sluice."""
    return error.reason if isinstance(error, RefusedByTarget) else "bug"


def _wait_after(repeats_before: int) -> float:
    return _FIRST_RETRY_SECONDS * float(_RETRY_GROWTH**repeats_before)


def _key(key: bytes | None, fallback: UUID) -> str:
    return key.decode("utf-8", errors="replace")[:500] if key else str(fallback)


def _uuid(event: object, name: str) -> UUID | None:
    value = getattr(event, name, None)
    return value if isinstance(value, UUID) else None
