"""JSON, as exact as doubles allow. Pure.

orjson is fast, but whole numbers beyond 64 bits become doubles with it, so two long ids could become one, and
fractions beyond a double become infinite, then null. Bodies that may hold such numbers are read by the standard
library, in three times the time.
"""

import json
from math import isinf
from typing import Any

import orjson

from shared.specification.bodies import BodyUnreadable
from shared.specification.bodies import read_json as read_quickly

_ALL_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_DOUBTFUL = (b"0" * 19, b"e000", b"E000", b"e+000", b"E+000")


def read_json(body: bytes) -> Any:
    """A body's content. Whole numbers stay exact at any length up to 4,300 digits; fractions are IEEE 754 doubles.

    Raises:
        BodyUnreadable: it is empty, cut, HTML, or otherwise no JSON, or holds a number beyond those.
    """
    if not _has_long_numbers(body):
        return read_quickly(body)
    try:
        return json.loads(body.decode(), parse_float=_read_fraction, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        start = body[:40].decode("utf-8", errors="replace").strip()
        raise BodyUnreadable(f"expected JSON ({str(error)[:120]}), the body starts with {start!r}") from None


def write_json(content: Any, *, sorted_names: bool = False) -> bytes:
    """Content as JSON text.

    Raises:
        ValueError: it is nested too deeply, or holds half of a surrogate pair.
    """
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS if sorted_names else None)
    except TypeError:
        pass
    try:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, sort_keys=sorted_names)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text.encode()


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
