"""Batches that a consumer cannot read: compressed with a codec it has not, or changed on the broker's disk."""

import struct
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from tests.stack import ROOT

_ZSTD = 4
_HEADER = 61
"""Bytes of a record batch's header (Kafka's message format 2)."""
_CHECKSUM_AT, _CHECKED_FROM = 17, 21


async def send_zstd(kafka: str, topic: str, partition: int, values: Sequence[bytes]) -> None:
    """One batch compressed with zstd, which aiokafka reads by `cramjam`."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        batch = producer.create_batch()
        for value in values:
            batch.append(timestamp=None, key=b"key", value=value)
        batch._buffer = _compressed(bytes(batch._build()))
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


async def send_broken_header(kafka: str, topic: str, partition: int, value: bytes) -> None:
    """A record with a header whose name is no UTF-8: brokers take it, and clients that know only bytes write it."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"key", value=value, headers=[("name", b"value")])
        built = bytearray(bytes(batch._build()).replace(b"\x08name", b"\x08n\xe4me"))
        struct.pack_into(">I", built, _CHECKSUM_AT, calc_crc32c(bytes(built[_CHECKED_FROM:])))
        batch._buffer = built
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


def flip_byte(topic: str, marker: bytes) -> None:
    """Change a byte of the record that holds `marker`, in the broker's log; once more mends it."""
    for segment in (ROOT / "kafka").rglob(f"{topic}-*/{0:020d}.log"):
        at = segment.read_bytes().find(marker[1:]) - 1
        if at < 0:
            continue
        with segment.open("r+b") as log:
            log.seek(at)
            [old] = log.read(1)
            log.seek(at)
            log.write(bytes([old ^ 1]))
        return
    raise AssertionError(f"{marker!r} is in no log of {topic}")


def _compressed(batch: bytes) -> bytearray:
    made = bytearray(batch[:_HEADER] + _zstd_frame(batch[_HEADER:]))
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">h", made, 21, _ZSTD)
    struct.pack_into(">I", made, _CHECKSUM_AT, calc_crc32c(bytes(made[_CHECKED_FROM:])))
    return made


def _zstd_frame(data: bytes) -> bytes:
    """A frame of one raw block (RFC 8878, 3.1.1): magic, single segment with a 4-byte size, last block."""
    return struct.pack("<IBI", 0xFD2FB528, 0b1010_0000, len(data)) + (len(data) << 3 | 1).to_bytes(3, "little") + data
