"""Compressed batches are unpacked up to a limit.

A topic limits a batch as it travels. aiokafka unpacks it whole, and a megabyte may become gigabytes: the process that
reads it would run out of memory, and again after each restart. aiokafka has no setting for that, so its decoders are
replaced by decoders that stop.
"""

import gzip
import io
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from mmap import mmap

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch

MOST_BYTES = 64 * 1024**2
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16

Decoder = Callable[[bytes], bytes]


def limit_batches() -> None:
    """From now on every consumer of this process raises `CorruptRecordException` for a batch that unpacks to more than
    `MOST_BYTES`, or that cannot be unpacked."""
    module = sys.modules[DefaultRecordBatch.__module__]
    for name, decode in DECODERS.items():
        setattr(module, name, decode)


def unpack_gzip(packed: bytes) -> bytes:
    """RFC 1952, of one or more members."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as members:
            unpacked = members.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _refused("gzip", error) from error
    if len(unpacked) > MOST_BYTES:
        raise _refused("gzip", "more is left")
    return unpacked


def unpack_snappy(packed: bytes) -> bytes:
    """One raw block, or the stream of blocks that Java's library writes."""
    blocks = list(_xerial_blocks(packed)) if bytes(packed[:8]) == _XERIAL else [packed]
    try:
        if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MOST_BYTES:
            raise _refused("snappy", "its blocks are too large")
        return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)
    except cramjam.DecompressionError as error:
        raise _refused("snappy", error) from error


def unpack_lz4(packed: bytes) -> bytes:
    """The frame format of LZ4."""
    return _unpack_into("lz4", cramjam.lz4.decompress_into, packed)


def unpack_zstd(packed: bytes) -> bytes:
    """RFC 8878."""
    return _unpack_into("zstd", cramjam.zstd.decompress_into, packed)


DECODERS: dict[str, Decoder] = {
    "gzip_decode": unpack_gzip,
    "snappy_decode": unpack_snappy,
    "lz4_decode": unpack_lz4,
    "zstd_decode": unpack_zstd,
}


def _unpack_into(codec: str, decompress: Callable[[bytes, mmap], int], packed: bytes) -> bytes:
    # A page of an anonymous map takes memory when it is first written to, so a small batch costs little.
    with mmap(-1, MOST_BYTES) as room:
        try:
            size = decompress(packed, room)
        except cramjam.DecompressionError as error:
            raise _refused(codec, error) from error
        return room[:size]


def _xerial_blocks(packed: bytes) -> Iterator[bytes]:
    at = _XERIAL_HEADER_BYTES
    while at < len(packed):
        try:
            [size] = struct.unpack_from(">i", packed, at)
        except struct.error as error:
            raise _refused("snappy", error) from error
        if size < 0:
            raise _refused("snappy", "a block of negative size")
        yield packed[at + 4 : at + 4 + size]
        at += 4 + size


def _refused(codec: str, why: object) -> CorruptRecordException:
    return CorruptRecordException(f"a {codec} batch is damaged or unpacks to more than {MOST_BYTES} bytes: {why}")
