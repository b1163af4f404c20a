"""What comes out of a compressed batch is bounded, whatever the codec."""

import gzip
import resource
import struct
from collections.abc import Callable

import cramjam
import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from shared.messaging import unpack
from shared.messaging.unpack import MOST_BYTES, limit_batches

GZIP = 1

Codec = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]


def xerial(data: bytes) -> bytes:
    """As Java's library writes it: a header, and blocks with their sizes."""
    blocks = [bytes(cramjam.snappy.compress_raw(data[at : at + 32_768])) for at in range(0, len(data), 32_768)]
    return b"\x82SNAPPY\x00" + bytes(8) + b"".join(struct.pack(">i", len(block)) + block for block in blocks)


@pytest.fixture(params=["gzip", "snappy", "xerial", "lz4", "zstd"])
def codec(request: pytest.FixtureRequest) -> Codec:
    """What packs, and what unpacks."""
    codecs: dict[str, Codec] = {
        "gzip": (gzip.compress, unpack.unpack_gzip),
        "snappy": (lambda data: bytes(cramjam.snappy.compress_raw(data)), unpack.unpack_snappy),
        "xerial": (xerial, unpack.unpack_snappy),
        "lz4": (lambda data: bytes(cramjam.lz4.compress(data)), unpack.unpack_lz4),
        "zstd": (lambda data: bytes(cramjam.zstd.compress(data)), unpack.unpack_zstd),
    }
    return codecs[request.param]


@pytest.mark.parametrize("size", [0, 1, 100_000, MOST_BYTES - 1])
def test_what_fits_comes_out_as_it_was(codec: Codec, size: int) -> None:
    pack, unpack_it = codec
    assert unpack_it(pack(b"x" * size)) == b"x" * size


def test_more_than_the_limit_is_refused(codec: Codec) -> None:
    pack, unpack_it = codec
    with pytest.raises(CorruptRecordException, match=f"more than {MOST_BYTES} bytes"):
        unpack_it(pack(bytes(MOST_BYTES + 1)))


def test_a_small_batch_takes_little_memory(codec: Codec) -> None:
    """Page faults, not seconds: the limit's worth of memory would be sixteen thousand."""
    pack, unpack_it = codec
    packed = pack(b"x" * 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    unpack_it(packed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000


def test_several_members_of_gzip_are_one_batch() -> None:
    assert unpack.unpack_gzip(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"


def test_what_is_damaged_is_refused(codec: Codec) -> None:
    pack, unpack_it = codec
    packed = pack(bytes(range(256)) * 100)
    with pytest.raises(CorruptRecordException):
        unpack_it(packed[: len(packed) // 2])


def test_consumers_of_the_process_use_these_decoders() -> None:
    limit_batches()
    builder = DefaultRecordBatchBuilder(
        2, GZIP, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=2 * MOST_BYTES
    )
    builder.append(0, timestamp=0, key=None, value=bytes(MOST_BYTES), headers=[])
    batch = DefaultRecordBatch(builder.build())
    with pytest.raises(CorruptRecordException, match=f"more than {MOST_BYTES} bytes"):
        next(iter(batch))
