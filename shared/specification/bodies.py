"""JSON bodies and the records in them: one rule, by which the fetcher counts and the processor selects. Pure."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isinf
from typing import Any

import orjson
from pydantic_core import from_json

from shared.specification.expressions import FindsTooMuch, NotApplicable, evaluate

USUAL_NAMES = ("items", "data", "results", "records", "rows", "values", "entries", "content", "hits")
_ALL_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_DOUBTFUL = (b"0" * 19, b"e000", b"E000", b"e+000", b"E+000")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAMES = r"body((?:\.(?:[A-Za-z_][A-Za-z0-9_]*|\"[^\"\\]+\"))*)"
_NAME = re.compile(r"\.(?:\"([^\"]+)\"|([^.\"]+))")
_PLAIN_SELECT = re.compile(rf"{_NAMES}(\[\]|\[\*\])?")
_PAGE_LIST = re.compile(rf"{_NAMES}(?=$|\[\]|\[\*\]|\[\?|\s*\|)")
_ONE_FOR_ONE = re.compile(rf"{_NAMES}(?:\[\]|\[\*\])?(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?:\.\{{[^\[\]|]*\}})?")


MOST_VALUES = 1_500_000
"""So many values a body may hold. Read, one takes from sixty to a hundred and seventy bytes, however short its text is,
so that a body of 16 MiB could take a gigabyte."""


class BodyUnreadable(Exception):
    """The body is not JSON; the text says what it is instead."""

    reason = "vendor_malformed"


class BodyTooLarge(BodyUnreadable):
    """The body may be JSON, but read it would take too much memory."""

    reason = "too_large"


def read_json(body: bytes) -> Any:
    """A body's content. Whole numbers stay exact at any length up to 4,300 digits; fractions are IEEE 754 doubles. A
    byte order mark is passed over, as RFC 8259 allows.

    orjson is fast, but whole numbers beyond 64 bits become doubles with it, so two long ids could become one, and
    fractions beyond a double become infinite, then null. Bodies that may hold such numbers are read by the standard
    library, in three times the time.

    Raises:
        BodyUnreadable: it is empty, cut, HTML, or otherwise no JSON, or holds a number beyond those or half of a
            surrogate pair.
        BodyTooLarge: it holds more than `MOST_VALUES`.
    """
    if len(body) > MOST_VALUES and most_values(body) > MOST_VALUES:
        raise BodyTooLarge(f"the body has more than {MOST_VALUES} values")
    body = body.removeprefix(BOM_UTF8)
    if not body.strip():
        raise BodyUnreadable("expected JSON, the body is empty")
    try:
        return _read_exactly(body) if _has_long_numbers(body) else _read_quickly(body)
    except (ValueError, RecursionError) as error:
        raise BodyUnreadable(f"expected JSON ({str(error)[:120]}), the body is {_kind(body)}") from None


def json_in(body: bytes) -> Any:
    """A body's content as expressions see it: null where it cannot be read."""
    try:
        return read_json(body)
    except BodyUnreadable:
        return None


def most_values(body: bytes) -> int:
    """How many values a body of JSON holds at most: what stands in texts is counted, too."""
    return 1 + sum(map(body.count, (b",", b"{", b"[")))


def _kind(body: bytes) -> str:
    """What a body seems to be. Nothing of it is repeated: reasons go where records must not."""
    begins = body.lstrip()[:14].lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if begins.startswith(b"<"):
        return "markup"
    return f"{len(body)} bytes that {'begin as JSON' if begins[:1] in b'{[' else 'are something else'}"


def _read_quickly(body: bytes) -> Any:
    """pydantic's reader takes what orjson does not, such as nesting beyond its limit, or says better what is wrong."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return from_json(body, allow_inf_nan=False)


def _read_exactly(body: bytes) -> Any:
    """The standard library also accepts half of a surrogate pair, which is no text: it cannot be encoded."""
    content = json.loads(body.decode(), parse_float=_read_fraction, parse_constant=_refuse_constant)
    if _SURROGATE.search(body):
        json.dumps(content, ensure_ascii=False).encode()
    return content


def _has_long_numbers(body: bytes) -> bool:
    shape = body.translate(_ALL_ZEROS)
    return any(sign in shape for sign in _DOUBTFUL)


def _read_fraction(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError("number out of range")
    return number


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def seems_whole(body: bytes) -> bool:
    """Whether a body begins and ends as a JSON object or list does. What is empty, cut or HTML does not, and nothing is
    read to see that."""
    ends = body.strip()
    return ends[:1] + ends[-1:] in (b"{}", b"[]")


def find_records(content: Any, select: str | None) -> list[Any] | None:
    """The records in a body: by expression, or the list that is there; a lone object is one record. A list that is null
    is an empty one. Nothing if the place that was asked for is missing, or holds something else.

    Raises:
        BodyTooLarge: what the expression makes of it would take too much memory.
    """
    if select is None:
        return _find_list(content)
    plain = _plain_path(select)
    if plain is None:
        try:
            selected = evaluate(select, {"body": content})
        except FindsTooMuch as error:
            raise BodyTooLarge(str(error)) from None
        except NotApplicable:
            return None
    else:
        selected = _project(_walk(content, plain[0]), plain[1])
    if isinstance(selected, dict):
        return [selected]
    if selected is None and _is_null(content, _page_list(select)):
        return []
    return selected if isinstance(selected, list) else None


def find_items(content: Any, select: str | None) -> list[Any] | None:
    """What the vendor put on a page, and counts in its paging: the list that a selection begins with, before it leaves
    anything out or takes anything apart. `body.orders[?open].lines[]` begins with `body.orders`.

    Raises:
        BodyTooLarge: as `find_records`.
    """
    begins = None if select is None else _page_list(select)
    selected = None if begins is None else _walk(content, begins)
    return selected if isinstance(selected, list) else find_records(content, select)


def is_lone(content: Any, select: str | None, found: Sequence[Any] | None) -> bool:
    """Whether the body itself is the one record, for want of a list. Any other `select` knows what it finds."""
    return select in (None, "body") and bool(found) and found is not None and found[0] is content


def says_nothing(content: Mapping[str, Any]) -> bool:
    """Whether an object has only null, false, 0 and what is empty: so vendors end who leave an empty list out."""
    return not any(content.values())


def is_one_for_one(select: str | None) -> bool:
    """Whether a selection makes one record of each item, so that records can be compared with a vendor's total."""
    return select is None or _ONE_FOR_ONE.fullmatch(select) is not None


def is_plain(select: str | None) -> bool:
    """Whether a selection needs no expression to be evaluated."""
    return select is None or _plain_path(select) is not None


@lru_cache(maxsize=1024)
def _plain_path(select: str) -> tuple[tuple[str, ...], str] | None:
    """`body.meta.items[]` needs no interpreter: it is a walk through objects to a list, and what is done with it."""
    match = _PLAIN_SELECT.fullmatch(select)
    return None if match is None else (_names(match[1]), match[2] or "")


@lru_cache(maxsize=1024)
def _page_list(select: str) -> tuple[str, ...] | None:
    match = _PAGE_LIST.match(select)
    return None if match is None else _names(match[1])


def _names(path: str) -> tuple[str, ...]:
    return tuple(quoted or bare for quoted, bare in _NAME.findall(path))


def _walk(content: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _is_null(content: Any, path: tuple[str, ...] | None) -> bool:
    """Whether the field is there and null: vendors whose language has no difference between them, such as Go, write an
    empty list like that."""
    if not path:
        return False
    holder = _walk(content, path[:-1])
    return isinstance(holder, dict) and path[-1] in holder and holder[path[-1]] is None


def _project(selected: Any, how: str) -> Any:
    """As JMESPath does it: `[*]` leaves nulls out, `[]` takes lists inside the list apart, too."""
    if not how or not isinstance(selected, list):
        return selected
    if how == "[]" and any(isinstance(item, list) for item in selected):
        selected = [inner for item in selected for inner in (item if isinstance(item, list) else [item])]
    return [item for item in selected if item is not None]


def _find_list(content: Any) -> list[Any] | None:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return None
    for name in USUAL_NAMES:
        if isinstance(content.get(name), list):
            return list(content[name])
    lists = [value for value in content.values() if isinstance(value, list)]
    if len(lists) == 1:
        return lists[0]
    return [] if not lists and _holds_null(content) else [content]


def _holds_null(content: dict[str, Any]) -> bool:
    """Some vendors write an empty list as null; a record of its own would have an id."""
    return "id" not in content and any(name in content and content[name] is None for name in USUAL_NAMES)
