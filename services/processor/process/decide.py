"""A body → items with keys. Pure.

Numbers: whole numbers stay exact at any length; fractions are read as IEEE 754 doubles and written in their shortest
form, so `1.10` becomes `1.1`.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from services.processor.model import Failure, Item, Page
from shared.events.payloads import PayloadStored
from shared.specification.bodies import BodyUnreadable, find_records, read_json

_LONGEST_KEY = 1024
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SURROGATE = re.compile(rb"\\ud[89ab][0-9a-f]{2}", re.IGNORECASE)

KeyOf = Callable[[Any], str | None]


class _Mistake(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def take_apart(stored: PayloadStored, body: bytes) -> Page:
    """The items of a page; anything wrong with it is its failure."""
    wanted = stored.processing.records
    try:
        content = read_json(body)
        records = find_records(content, wanted.select)
        if records is None:
            raise _Mistake(Failure("vendor_malformed", f"{wanted.select}: no list of records is there"))
        key_of = _key_of(wanted.key, records)
        items = tuple([_item(record, key_of, number) for number, record in enumerate(records)])
        _check_characters(body, items)
    except BodyUnreadable as error:
        return Page(stored, failure=Failure("vendor_malformed", str(error)))
    except _Mistake as error:
        return Page(stored, failure=error.failure)
    return Page(stored, items)


def _item(record: Any, key_of: KeyOf, number: int) -> Item:
    key = key_of(record)
    if not key or len(key) > _LONGEST_KEY or "\x00" in key:
        raise _Mistake(Failure("key_missing", f"record {number} has no usable key"))
    return Item(key, _write(record))


def _check_characters(body: bytes, items: tuple[Item, ...]) -> None:
    """Postgres stores neither NUL nor half of a surrogate pair. Both can only come from escapes, which are rare, so the
    whole body is searched first."""
    if b"\\u0000" not in body and not _SURROGATE.search(body):
        return
    for number, item in enumerate(items):
        if b"\\u0000" in item.record or _SURROGATE.search(item.record):
            raise _Mistake(Failure("unstorable_value", f"record {number} has a character that cannot be stored"))


def _write(record: Any) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:
        return json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode()


def _key_of(expression: str | None, records: list[Any]) -> KeyOf:
    """How keys are made: by the expression; by `id` where every record has one; else from the whole record."""
    if expression is None:
        if records and all(isinstance(record, dict) and _text(record.get("id")) for record in records):
            return lambda record: _text(record["id"])
        return lambda record: hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if _PLAIN.fullmatch(expression):
        return lambda record: _text(record.get(expression)) if isinstance(record, dict) else None
    compiled = jmespath.compile(expression)

    def search(record: Any) -> str | None:
        try:
            return _text(compiled.search(record))
        except JMESPathError:
            return None

    return search


def _text(value: Any) -> str | None:
    """Texts and numbers are keys; everything else is not."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None
