"""Records → events, each alone: one that cannot be read never harms its neighbours. Pure."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.events.envelope import CE_VERSION, Incoming, Record, Removed, delivery, event_id
from shared.events.topic import Topic

E = TypeVar("E")

UNSUPPORTED_VERSION = "unsupported_version"
_LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that is no event of its topic; `reason` is a word that dead letters are grouped by."""

    record: Record
    reason: str
    error: str


def decode(topic: Topic[E], record: Record) -> Incoming[E] | Poison:
    """Read a record's value as an event of its topic. Its broad `except` is for a defect in the reading of one value:
    the records behind it would wait for ever."""
    version = record.header(CE_VERSION)
    if version and not version.startswith("1."):
        return Poison(record, UNSUPPORTED_VERSION, "expected CloudEvents 1")
    if not record.value:
        return _read_empty(topic, record)
    try:
        event = topic.adapter.validate_json(record.value, extra="ignore" if topic.is_inner else None)
    except ValidationError as error:
        return Poison(record, _reason(error), _text(error))
    except MemoryError:
        raise
    except Exception as error:
        return Poison(record, "schema_invalid", f"cannot be read: {type(error).__name__}")
    if topic.named is not None and record.key != topic.named(event).encode():
        return Poison(record, "key_mismatch", f"expected the name of the {topic.key} as the key")
    return Incoming(event, event_id(record), delivery(record), record)


def _read_empty(topic: Topic[E], record: Record) -> Incoming[E] | Poison:
    if not topic.is_state or record.key is None:
        return Poison(record, "empty", "the message has no value")
    removed: Any = Removed(key=record.key.decode("utf-8", errors="replace"))
    return Incoming(removed, event_id(record), delivery(record), record)


def _reason(error: ValidationError) -> str:
    kind = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
    match kind:
        case "json_invalid":
            return "undecodable"
        case "union_tag_invalid" | "union_tag_not_found":
            return "unknown_type"
        case _:
            return "schema_invalid"


def _text(error: ValidationError) -> str:
    """What was expected where; nothing of what came."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:10]
    return "; ".join(map(_mistake, found))[:_LONGEST_ERROR]


def _mistake(one: ErrorDetails) -> str:
    place, text = "/".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")
    if one["type"] == "union_tag_invalid":
        text = "not a type of this topic"
    return f"{place}: {text}" if place else text
