"""Compressed bodies: whole, in any pieces, of several members, damaged, cut, or far larger than they look."""

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher.call.decompress import PIECE_BYTES, Damaged, Inflater


def inflated(body: bytes, chunk: int = 16_384) -> tuple[bytes, bool]:
    inflater = Inflater()
    pieces = [piece for start in range(0, len(body), chunk) for piece in inflater.pieces(body[start : start + chunk])]
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
    return b"".join(pieces), inflater.is_whole


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=3), st.integers(1, 9), st.integers(0, 200_000))
def test_what_was_compressed_comes_back(parts: list[bytes], chunk: int, repeated: int) -> None:
    parts = [*parts, b"a" * repeated]
    assert inflated(b"".join(gzip.compress(part) for part in parts), chunk) == (b"".join(parts), True)


def test_zlibs_own_format_is_understood() -> None:
    assert inflated(zlib.compress(b"x" * 1000)) == (b"x" * 1000, True)


@given(st.integers(1, 40))
def test_a_body_that_ends_early_is_not_whole(missing: int) -> None:
    body = gzip.compress(bytes(range(256)))
    assert not inflated(body[:-missing])[1]


def test_padding_after_the_body_is_no_part_of_it() -> None:
    assert inflated(gzip.compress(b"x") + bytes(512)) == (b"x", True)


def test_nothing_is_whole() -> None:
    assert inflated(b"") == (b"", True)


@pytest.mark.parametrize("body", [b"<html>", gzip.compress(b"x" * 100, mtime=0)[:-8] + bytes(8)])
def test_damage_is_told(body: bytes) -> None:
    with pytest.raises(Damaged):
        inflated(body)


def test_a_bomb_goes_off_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(50 * 1024**2))
    first = next(Inflater().pieces(bomb))
    assert len(first) <= PIECE_BYTES
