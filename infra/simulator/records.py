"""The data of a vendor: records that follow from (seed, index) alone, rendered once and kept within a bound.

A record's index runs from 0, its id is index + 1. `updated_at` rises by a second per record, so the records changed
since a time are a suffix. Another seed gives the same ids with other contents: every record "changed".
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Literal

Shape = Literal["flat", "nested"]
"""`flat`: six fields, about 120 bytes. `nested`: an order, with its customer and one to three lines beneath it, about
320 bytes."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
_MASK = 2**64 - 1
_ADJECTIVES = (b"amber", b"brisk", b"calm", b"dusty", b"eager", b"faint", b"grand", b"hardy")
_NOUNS = (b"anchor", b"basket", b"candle", b"ladder", b"magnet", b"needle", b"pocket", b"saddle")
_STATUSES = (b"open", b"open", b"paid", b"sent")
_MIDDLES = tuple(
    b'"name":"%s %s %02d","currency":"EUR","status":"%s","amount":' % parts
    for parts in product(_ADJECTIVES, _NOUNS, range(10, 26), _STATUSES)
)
"""What can stand in the middle of a record, 4,096 variants. Most pages of a long run are rendered for the first and
only time, and this halves what that costs."""
_COUNTRIES = (b"DE", b"FR", b"NL", b"PL", b"SE", b"IT", b"ES", b"AT")


def _tails() -> Iterator[bytes]:
    """What a nested record has behind its amount, 1,024 variants."""
    for number in range(1024):
        lines = b",".join(
            b'{"sku":"SKU-%05d","quantity":%d,"price":%d.%02d}' % parts
            for parts in (
                ((number * 31 + line * 977) % 90_000 + 10_000, (number + line) % 9 + 1, number % 300 + line, line * 25)
                for line in range(number % 3 + 1)
            )
        )
        customer = b'{"id":%d,"email":"c%d@shop.example","country":"%s"}' % (
            number * 7919 % 100_000,
            number,
            _COUNTRIES[number % 8],
        )
        yield b',"customer":%s,"lines":[%s]}' % (customer, lines)


_TAILS = tuple(_tails())
_CACHE_BYTES = 96 * 2**20


def _mix(seed: int, index: int) -> int:
    """64 bits of (seed, index), well enough mixed for test data; a keyed hash would cost four times as much."""
    bits = (seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    return (bits ^ bits >> 31) * 0xBF58476D1CE4E5B9 & _MASK


def render(seed: int, indices: range, shape: Shape = "flat") -> list[bytes]:
    """Records at consecutive indices as JSON objects."""
    records: list[bytes] = []
    index = indices.start
    while index < indices.stop:
        minute, second = divmod(index, 60)
        stop = min(indices.stop, index - second + 60)
        records += _render_in(minute, seed, range(index, stop))
        index = stop
    return records if shape == "flat" else _nested(records, seed, indices)


def _nested(records: list[bytes], seed: int, indices: range) -> list[bytes]:
    return [
        record[:-1] + _TAILS[_mix(seed, index) >> 40 & 1023] for record, index in zip(records, indices, strict=True)
    ]


def _render_in(minute: int, seed: int, indices: range) -> list[bytes]:
    """Records of the same minute, counted from the start."""
    head = b'{"id":%%d,"updated_at":"%s:%%02dZ",%%s%%d.%%02d}' % _stamp(minute)
    return [
        head % (index + 1, index % 60, _MIDDLES[bits >> 52], (bits >> 36 & 0xFFFF) % 1000, (bits >> 20 & 0xFFFF) % 100)
        for index, bits in ((index, _mix(seed, index)) for index in indices)
    ]


def _stamp(minute: int) -> bytes:
    return (_START + timedelta(minutes=minute)).isoformat()[:16].encode()


def first_since(moment: str) -> int:
    """Index of the first record changed at or after an RFC 3339 time; ValueError if it is none."""
    since = datetime.fromisoformat(moment)
    if since.tzinfo is None:
        raise ValueError("a time needs an offset")
    return max(0, math.ceil((since - _START).total_seconds()))


class Records:
    """Rendered ranges of one seed's records, the most recently used ones kept."""

    def __init__(self, seed: int, shape: Shape = "flat", cache_bytes: int = _CACHE_BYTES) -> None:
        self.seed = seed
        self._shape = shape
        self._room = cache_bytes
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def rows(self, indices: range) -> bytes:
        """The records at consecutive indices as JSON objects with commas between them."""
        key = (indices.start, indices.stop)
        rows = self._kept.get(key)
        if rows is not None:
            self._kept.move_to_end(key)
            return rows
        rows = b",".join(render(self.seed, indices, self._shape))
        self._keep(key, rows)
        return rows

    def _keep(self, key: tuple[int, int], rows: bytes) -> None:
        self._kept[key] = rows
        self._room -= len(rows)
        while self._room < 0:
            _, dropped = self._kept.popitem(last=False)
            self._room += len(dropped)
