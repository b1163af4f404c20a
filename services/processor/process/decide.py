"""A body → records with their keys. Pure.

Numbers: whole numbers stay exact; fractions are read as IEEE 754 doubles and written in their shortest form, so `1.10`
becomes `1.1`.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from services.processor.model import Failure, KeyedRecord, Page
from services.processor.process.json_text import write_json
from shared.events.payloads import PayloadStored, Processing
from shared.events.topic import MAX_MESSAGE_BYTES
from shared.specification.bodies import (
    BodyUnreadable,
    find_records,
    is_lone,
    is_plain,
    most_values,
    read_json,
    says_nothing,
)
from shared.specification.evaluation import MOST_STEPS
from shared.specification.expressions import count_parts, found_in, path_of, steps_per_value
from shared.specification.request import Records
from shared.specification.source import PostgresSink, TopicSink

_MOST_RECORDS = 100_000
_MOST_ON_TOPIC = 20_000
"""The most records of one page. They are in memory together: beside its text, a row takes a quarter of a kilobyte and a
message two and a half. All messages of a page must be acknowledged within a deadline, too."""
_LONGEST_KEY_BYTES = 1024
_LARGEST_ON_TOPIC_BYTES = MAX_MESSAGE_BYTES - 16_384
_QUICK_STEPS = 200_000
"""A step of an expression takes a fifth of a microsecond."""
_STEPS_BEFORE_EACH = 40
"""To begin with the next record takes as long as so many steps."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

KeyOf = Callable[[Any], str | None]


class _Mistake(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(reason, detail)


def take_apart(stored: PayloadStored, body: bytes) -> Page:
    """The records of a page; anything wrong with it is its failure."""
    wanted = stored.processing.records
    try:
        selected = _select(read_json(body), wanted.select, expects_list=stored.processing.expects_list)
        _check_key(wanted.key, len(selected))
        records = _keyed(selected, _key_of(wanted.key))
        _check_sinks(stored.processing, body, records)
    except BodyUnreadable as error:
        return Page(stored, failure=Failure(error.reason, str(error)))
    except _Mistake as error:
        return Page(stored, failure=error.failure)
    return Page(stored, records)


def is_quick(wanted: Records, body: bytes) -> bool:
    """Whether the expressions for the page and for each of its records take no more than some milliseconds. A path of
    names is no expression that has to be evaluated."""
    steps = 0.0 if wanted.select is None or is_plain(wanted.select) else steps_per_value(wanted.select)
    if wanted.key is not None and path_of(wanted.key) is None:
        steps += _STEPS_BEFORE_EACH + steps_per_value(wanted.key)
    return not steps or steps * most_values(body) <= _QUICK_STEPS


def _select(content: Any, select: str | None, *, expects_list: bool) -> list[Any]:
    """The records. Where a list is expected, a body that is a lone object is no record: vendors answer errors so."""
    records = find_records(content, select)
    if expects_list and is_lone(content, select, records):
        if not says_nothing(content):
            detail = f"expected a list as on the pages before, the body is {_kind(content)}"
            raise _Mistake("vendor_malformed", detail)
        return []
    if records is None:
        sought = "expected a list or an object" if select is None else f"{select}: no list of records is there"
        raise _Mistake("vendor_malformed", f"{sought}, the body is {_kind(content)}")
    if len(records) > _MOST_RECORDS:
        raise _Mistake("too_large", f"the page has {len(records)} records, more than {_MOST_RECORDS}")
    return records


def _check_key(key: str | None, records: int) -> None:
    """An expression is evaluated for each record, and all of them together are bounded as one evaluation is."""
    if key is not None and count_parts(key) * records > MOST_STEPS:
        raise _Mistake("too_large", f"{key}: over {records} records it takes more than {MOST_STEPS} steps")


def _keyed(records: list[Any], key_of: KeyOf) -> tuple[KeyedRecord, ...]:
    """All at once, since nearly every page is good; one by one to find the record that is not."""
    try:
        keys, texts = [key for key in map(key_of, records) if key], list(map(write_json, records))
    except ValueError:
        keys, texts = [], []
    longest = max(map(len, keys), default=0)
    if len(keys) == len(records) == len(texts) and longest <= _LONGEST_KEY_BYTES // 4 and "\x00" not in "".join(keys):
        return tuple(map(KeyedRecord, keys, texts))
    return tuple([_keyed_one(record, key_of, number) for number, record in enumerate(records)])


def _keyed_one(record: Any, key_of: KeyOf, number: int) -> KeyedRecord:
    try:
        key, text = key_of(record), write_json(record)
    except ValueError as error:
        raise _Mistake("unstorable_value", f"record {number}: {error}") from None
    if not key or "\x00" in key:
        raise _Mistake("key_missing", f"record {number} has no usable key")
    if len(key) > _LONGEST_KEY_BYTES // 4 and len(key.encode()) > _LONGEST_KEY_BYTES:
        raise _Mistake("key_missing", f"record {number} has a key of more than {_LONGEST_KEY_BYTES} bytes")
    return KeyedRecord(key, text)


def _check_sinks(processing: Processing, body: bytes, records: tuple[KeyedRecord, ...]) -> None:
    """What a sink would refuse is the page's mistake now, not a failed batch later."""
    for sink in processing.sinks:
        match sink:
            case PostgresSink():
                _check_characters(body, records)
            case TopicSink():
                _check_sizes(records)


def _check_characters(body: bytes, records: tuple[KeyedRecord, ...]) -> None:
    """Postgres does not store NUL, which in JSON is always an escape and rare: the whole body is searched first."""
    if b"\\u0000" not in body:
        return
    for number, record in enumerate(records):
        if _NUL.search(record.text):
            raise _Mistake("unstorable_value", f"record {number} has the character NUL, which cannot be stored")


def _check_sizes(records: tuple[KeyedRecord, ...]) -> None:
    if len(records) > _MOST_ON_TOPIC:
        raise _Mistake("too_large", f"the page has {len(records)} records, more than {_MOST_ON_TOPIC} for a topic")
    for number, record in enumerate(records):
        if len(record.text) > _LARGEST_ON_TOPIC_BYTES:
            raise _Mistake("too_large", f"record {number} has {len(record.text)} bytes, more than a topic takes")


def _key_of(expression: str | None) -> KeyOf:
    """How keys are made: by the expression; without one from `id`, or from the whole record if it has none. Each record
    is looked at alone, so its key is the same whatever else is on its page."""
    if expression is None:
        return lambda record: _id_of(record) or hashlib.sha256(write_json(record, sorted_names=True)).hexdigest()
    path = path_of(expression)
    if path is not None and len(path) == 1:
        [name] = path
        return lambda record: _text(record.get(name)) if isinstance(record, dict) else None
    return lambda record: _text(found_in(expression, record))


def _id_of(record: Any) -> str | None:
    return _text(record.get("id")) if isinstance(record, dict) else None


def _text(value: Any) -> str | None:
    """Texts and numbers are keys; everything else is not."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def _kind(content: Any) -> str:
    match content:
        case dict():
            return f"an object with {', '.join(sorted(content)[:10])[:200] or 'nothing in it'}"
        case list():
            return f"a list of {len(content)}"
        case None:
            return "null"
        case _:
            return f"a single {type(content).__name__}"
