"""Reads a topic from a time on, without a group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from tests.support.stack import Place


class TopicReader:
    """Keeps every record that the topic has carried so far, or since a time."""

    def __init__(self, bootstrap_servers: str, topic: str, since: datetime | None = None) -> None:
        self.records: list[ConsumerRecord] = []
        self._consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        self._since = since
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to read."""
        await self._consumer.start()
        if self._since is not None:
            await self._skip(self._since)
        self._task = asyncio.create_task(self._read())

    async def _skip(self, since: datetime) -> None:
        partitions = self._consumer.assignment()
        # Asked first: what comes in between must not be skipped.
        ends = await self._consumer.end_offsets(partitions)
        asked = dict.fromkeys(partitions, int(since.timestamp() * 1000))
        for partition, found in (await self._consumer.offsets_for_times(asked)).items():
            self._consumer.seek(partition, found.offset if found else ends[partition])

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
        # Where it was waiting for a broker that is gone, aiokafka lets the cancellation of its own task out.
        with suppress(asyncio.CancelledError):
            await self._consumer.stop()

    async def _read(self) -> None:
        async for record in self._consumer:
            self.records.append(record)

    @property
    def values(self) -> list[Any]:
        """The values as JSON."""
        return [orjson.loads(record.value) for record in self.records if record.value]

    def of_type(self, name: str, field: str = "type") -> list[Any]:
        """The values whose `type` (or another field) is that."""
        return [value for value in self.values if value.get(field) == name]


@asynccontextmanager
async def reading(place: Place, topic: str) -> AsyncIterator[TopicReader]:
    """A reader that sees everything that the topic has carried in this place."""
    reader = TopicReader(place.kafka, f"{place.prefix}.{topic}", since=place.made_at)
    await reader.open()
    try:
        yield reader
    finally:
        await reader.close()
