"""Replays: the records of a period are sent again, directly on the broker, from one topic to another or the same.

Bytes, keys and headers stay as they are, but for the delivery number. All records of a replay get the same number,
which no retry, redrive or other replay has; so consumers do not take the records for repetitions. If a replay breaks
off, the same replay is done again: consumers drop the records that they have from the first try.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared.brokers import Brokers, options_of
from shared.errors import Invalid, Problem, Unavailable
from shared.events.catalogue import MAX_ENVELOPED_BYTES
from shared.events.dead_letters import Original
from shared.events.envelope import CE_TYPE, RECIPIENT, Headers, Record, delivery_of_replay, event_id

_POLL_MS = 500
_SILENT_SECONDS = 20.0
_REQUEST_MS = 10_000
_BLOCK = 500

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of `topic` are sent to `to_topic`: those from `since` on and before `until` that have the key and
    the CloudEvents type, if these are given. `nth`, from 1 on, says which replay of these records this is: consumers
    handle a record once for each number."""

    topic: str
    to_topic: str
    since: datetime
    until: datetime
    key: str | None = None
    type: str | None = None
    nth: int = 1

    def fits(self, record: Record) -> bool:
        """Whether this record is to be sent."""
        return (
            self.since <= record.timestamp < self.until
            and (self.key is None or record.key == self.key.encode())
            and (self.type is None or record.header(CE_TYPE) == self.type)
        )


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records were `read`, and how many of them (`records`) were sent, or would be in a dry run."""

    records: int
    read: int


async def replay(
    brokers: Brokers | str, prefix: str, wanted: Wanted, *, rate: float | None = None, dry_run: bool = False
) -> Replayed:
    """Send the records again, at most `rate` a second. A dry run only counts them.

    Raises:
        Invalid: the broker has no such topic.
        Unavailable: the broker does not answer. Some of the records may have been sent.
    """
    consumer = AIOKafkaConsumer(
        **options_of(brokers),
        enable_auto_commit=False,
        isolation_level="read_committed",
        request_timeout_ms=_REQUEST_MS,
    )
    producer = AIOKafkaProducer(
        **options_of(brokers),
        acks="all",
        request_timeout_ms=_REQUEST_MS,
        max_request_size=MAX_ENVELOPED_BYTES + 65_536,
    )
    try:
        await _connect(consumer, brokers)
        topics = await consumer.topics()
        source = _resolve(wanted.topic, topics, prefix, "/topic")
        target = _resolve(wanted.to_topic, topics, prefix, "/to-topic")
        await producer.start()
        places = [TopicPartition(source, number) for number in sorted(await producer.partitions_for(source))]
        ranges = await _ranges(consumer, places, wanted)
        pace, read, fitting = _Pace(rate), 0, 0
        async for block in _blocks(consumer, ranges):
            records = [record for record in block if wanted.fits(record)]
            read, fitting = read + len(block), fitting + len(records)
            if not dry_run:
                await _send(producer, target, records, wanted.nth, pace)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error
    finally:
        await consumer.stop()
        await producer.stop()
    return Replayed(fitting, read)


async def _connect(consumer: AIOKafkaConsumer, brokers: Brokers | str) -> None:
    try:
        await consumer.start()
    except KafkaError:
        raise Unavailable(f"no answer from Kafka at {brokers}; --kafka or SLUICE_KAFKA says where it is") from None


def headers_of(record: Record, nth: int) -> Headers:
    """The headers of the record in this replay: the same event id and recipient, with another delivery number."""
    return Original.of(record).headers_again(event_id(record), delivery_of_replay(nth), record.header(RECIPIENT))


def _resolve(name: str, topics: set[str], prefix: str, pointer: str) -> str:
    for candidate in (name, f"{prefix}.{name}"):
        if candidate in topics:
            return candidate
    raise Invalid([Problem(pointer, f"the broker has no topic {name}, nor {prefix}.{name}")])


async def _ranges(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], wanted: Wanted
) -> dict[TopicPartition, Range]:
    """For each partition the first offset to read and the offset after the last, which stays as it is while records
    are added."""
    ends = await consumer.end_offsets(places)
    first = await consumer.offsets_for_times(dict.fromkeys(places, _milliseconds(wanted.since)))
    last = await consumer.offsets_for_times(dict.fromkeys(places, _milliseconds(wanted.until)))
    ranges = {}
    for place in places:
        begin = ends[place] if first[place] is None else first[place].offset
        end = ends[place] if last[place] is None else min(last[place].offset, ends[place])
        if begin < end:
            ranges[place] = (begin, end)
    return ranges


async def _send(producer: AIOKafkaProducer, topic: str, records: list[Record], nth: int, pace: "_Pace") -> None:
    acknowledgements = []
    for record in records:
        await pace.turn()
        headers = list(headers_of(record, nth))
        acknowledgements.append(await producer.send(topic, value=record.value, key=record.key, headers=headers))
    await asyncio.gather(*acknowledgements)


class _Pace:
    """A limit of `rate` records a second; none without a rate."""

    def __init__(self, rate: float | None) -> None:
        self._apart = 0.0 if rate is None else 1 / rate
        self._next_at = monotonic()

    async def turn(self) -> None:
        """Wait until the next record may be sent."""
        wait = self._next_at - monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_at = max(self._next_at, monotonic() - self._apart) + self._apart


async def _blocks(consumer: AIOKafkaConsumer, ranges: Mapping[TopicPartition, Range]) -> AsyncIterator[list[Record]]:
    """Read the records of all ranges; those of one partition come in order.

    Raises:
        Unavailable: the broker returns no records for 20 seconds.
    """
    consumer.assign(list(ranges))
    for place, (begin, _) in ranges.items():
        consumer.seek(place, begin)
    left, heard_at = dict(ranges), monotonic()
    while left:
        found = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_BLOCK)
        if found:
            heard_at = monotonic()
            for place, records in found.items():
                yield [Record.of(one) for one in records if one.offset < left[place][1]]
        elif monotonic() - heard_at > _SILENT_SECONDS:
            raise Unavailable(f"Kafka: the broker returns no records of {', '.join(map(str, left))}")
        for place in list(left):
            if await consumer.position(place) >= left[place][1]:
                del left[place]


def _milliseconds(time: datetime) -> int:
    return max(0, round(time.timestamp() * 1000))
