"""Reads a topic from its beginning, without a group."""

import asyncio
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord


class TopicReader:
    """Keeps every record that the topic has carried so far."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self.records: list[ConsumerRecord] = []
        self._consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to read."""
        await self._consumer.start()
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
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
