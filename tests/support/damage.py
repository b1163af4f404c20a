"""Batches that a consumer cannot read: too large when unpacked, or changed on the broker's disk."""

import struct

import cramjam
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from tests.support.stack import ROOT

_ZSTD = 4
_HEADER = 61
"""Bytes of a record batch's header (Kafka's message format 2)."""
_CHECKSUM_AT, _CHECKED_FROM = 17, 21


async def send_bomb(kafka: str, topic: str, partition: int, *, records: int, record_bytes: int) -> None:
    """Records of zeros: a few kilobytes on the wire."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_batch_size=2 * records * record_bytes)
    await producer.start()
    try:
        batch = producer.create_batch()
        for _ in range(records):
            batch.append(timestamp=None, key=b"key", value=bytes(record_bytes))
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
    made = bytearray(batch[:_HEADER] + bytes(cramjam.zstd.compress(batch[_HEADER:])))
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">h", made, 21, _ZSTD)
    struct.pack_into(">I", made, _CHECKSUM_AT, calc_crc32c(bytes(made[_CHECKED_FROM:])))
    return made
