"""JSON bodies and the records in them: one rule, by which the fetcher counts and the processor selects. Pure."""

import re
from functools import lru_cache
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError
from pydantic_core import from_json

USUAL_NAMES = ("items", "data", "results", "records", "rows", "values", "entries", "content", "hits")
_PLAIN_SELECT = re.compile(r"body((?:\.[A-Za-z_][A-Za-z0-9_]*)*)(?:\[\]|\[\*\])?")


class BodyUnreadable(Exception):
    """The body is not JSON; the text says what it is instead."""


def read_json(body: bytes) -> Any:
    """A body's content. Whole numbers of any length stay exact.

    Raises:
        BodyUnreadable: it is empty, cut, HTML, or otherwise no JSON.
    """
    if not body.strip():
        raise BodyUnreadable("expected JSON, the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        start = body[:40].decode("utf-8", errors="replace").strip()
        raise BodyUnreadable(f"expected JSON ({str(error)[:120]}), the body starts with {start!r}") from None


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
