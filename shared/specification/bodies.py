"""JSON bodies and the records in them: one rule, by which the fetcher counts and the processor selects. Pure."""

import json
import re
from codecs import BOM_UTF8
from functools import lru_cache
from math import isinf
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError
from pydantic_core import from_json

USUAL_NAMES = ("items", "data", "results", "records", "rows", "values", "entries", "content", "hits")
_ALL_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_DOUBTFUL = (b"0" * 19, b"e000", b"E000", b"e+000", b"E+000")
_PLAIN_SELECT = re.compile(r"body((?:\.[A-Za-z_][A-Za-z0-9_]*)*)(?:\[\]|\[\*\])?")


class BodyUnreadable(Exception):
    """The body is not JSON; the text says what it is instead."""


def read_json(body: bytes) -> Any:
    """A body's content. Whole numbers stay exact at any length up to 4,300 digits; fractions are IEEE 754 doubles. A
    byte order mark is passed over, as RFC 8259 allows.

    orjson is fast, but whole numbers beyond 64 bits become doubles with it, so two long ids could become one, and
    fractions beyond a double become infinite, then null. Bodies that may hold such numbers are read by the standard
    library, in three times the time.

    Raises:
        BodyUnreadable: it is empty, cut, HTML, or otherwise no JSON, or holds a number beyond those.
    """
    body = body.removeprefix(BOM_UTF8)
    if not body.strip():
        raise BodyUnreadable("expected JSON, the body is empty")
    try:
        return _read_exactly(body) if _has_long_numbers(body) else _read_quickly(body)
    except (ValueError, RecursionError) as error:
        start = body[:40].decode("utf-8", errors="replace").strip()
        raise BodyUnreadable(f"expected JSON ({str(error)[:120]}), the body starts with {start!r}") from None


def _read_quickly(body: bytes) -> Any:
    """pydantic's reader takes what orjson does not, such as nesting beyond its limit, or says better what is wrong."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return from_json(body, allow_inf_nan=False)


def _read_exactly(body: bytes) -> Any:
    return json.loads(body.decode(), parse_float=_read_fraction, parse_constant=_refuse_constant)


def _has_long_numbers(body: bytes) -> bool:
    shape = body.translate(_ALL_ZEROS)
    return any(sign in shape for sign in _DOUBTFUL)


def _read_fraction(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"number out of range: {text[:40]}")
    return number


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def unreadable(body: bytes, *, whole: bool) -> str:
    """Why a body cannot be JSON, or nothing. Without `whole` only its ends are looked at: that finds what is empty, cut
    or HTML, and costs nothing."""
    ends = body.strip()
    if not whole and ends[:1] + ends[-1:] in (b"{}", b"[]"):
        return ""
    try:
        read_json(body)
    except BodyUnreadable as error:
        return str(error)
    return ""


def find_records(content: Any, select: str | None) -> list[Any] | None:
    """The records in a body: by expression, or the list that is there; a lone object is one record. Nothing if the
    place that was asked for holds no list."""
    if select is None:
        return _find_list(content)
    path = _plain_path(select)
    if path is None:
        try:
            found = jmespath.search(select, {"body": content})
        except JMESPathError:
            return None
    else:
        found = content
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else None


def count_records(content: Any, select: str | None) -> int | None:
    """How many records there are."""
    found = find_records(content, select)
    return None if found is None else len(found)


@lru_cache(maxsize=1024)
def _plain_path(select: str) -> tuple[str, ...] | None:
    """`body.meta.items[]` needs no interpreter: it is a walk through objects to a list."""
    match = _PLAIN_SELECT.fullmatch(select)
    return None if match is None else tuple(name for name in match[1].split(".") if name)


def _find_list(content: Any) -> list[Any] | None:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return None
    for name in USUAL_NAMES:
        if isinstance(content.get(name), list):
            return list(content[name])
    lists = [value for value in content.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else [content]
