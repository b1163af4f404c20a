"""FastStream in its one narrow shape: batches of raw records, manual acknowledgement, a parser that cannot raise,
no replies, no topic creation, offsets committed by us. Each of its defaults would lose data.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.errors import Unavailable
from shared.messaging.consumer import Shell

_COMMIT_EVERY_SECONDS = 0.2
_IDLE_POLL_MS = 20
_START_SECONDS = 25


async def _parse(records: Sequence[ConsumerRecord]) -> KafkaMessage:
    """Whatever the records are, they are a message: headers are read later, record by record."""
    return KafkaMessage(
        body=records,
        headers={},
        reply_to="",
        content_type=None,
        message_id="",
        correlation_id="",
        raw_message=tuple(records),
        path={},
        consumer=None,  # type: ignore[arg-type]
    )


async def _decode(message: KafkaMessage) -> Sequence[ConsumerRecord]:
    records: Sequence[ConsumerRecord] = message.raw_message
    return records


class Subscriptions:
    """All consumers of a process."""

    def __init__(self, bootstrap_servers: str, shells: Sequence[Shell], *, replica: str = "") -> None:
        self._shells = shells
        self._broker = KafkaBroker(
            bootstrap_servers.split(","),
            consumer_only=True,
            allow_auto_create_topics=False,
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            request_timeout_ms=10_000,
            retry_backoff_ms=200,
            metadata_max_age_ms=30_000,
            graceful_timeout=20,
            log_level=logging.DEBUG,
            logger=None,
        )
        self.subscribers = [
            self._subscribe(shell, f"{replica}.{n}" if replica else "") for n, shell in enumerate(shells)
        ]
        self._committing: asyncio.Task[None] | None = None

    def _subscribe(self, shell: Shell, replica: str) -> BatchSubscriber:
        subscriber = self._broker.subscriber(
            shell.topic,
            batch=True,
            max_records=shell.consumer.max_records,
            batch_timeout_ms=_IDLE_POLL_MS,
            group_id=shell.group,
            group_instance_id=f"{shell.group}.{replica}" if replica else None,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=300_000,
            listener=shell.gate,
            parser=_parse,
            decoder=_decode,
            no_reply=True,
            ack_policy=AckPolicy.MANUAL,
        )
        subscriber(shell.on_batch)
        return subscriber

    async def open(self) -> None:
        """Join the groups.

        Raises:
            Unavailable: no broker answers.
        """
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._broker.connect()
                await asyncio.gather(*(self._start(*pair) for pair in zip(self._shells, self.subscribers, strict=True)))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error
        self._committing = asyncio.create_task(self._commit_offsets(), name="offsets")

    async def _start(self, shell: Shell, subscriber: BatchSubscriber) -> None:
        await subscriber.start()
        if subscriber.consumer is not None:
            shell.gate.attach(subscriber.consumer)

    async def close(self) -> None:
        """Stop polling, let the batches in hand end, commit their offsets, leave the groups."""
        for shell in self._shells:
            shell.closing = True
            async with shell.gate.lock:
                await shell.gate.commit()
        if self._committing is not None:
            self._committing.cancel()
        await asyncio.gather(*(subscriber.stop() for subscriber in self.subscribers), return_exceptions=True)

    async def _commit_offsets(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_EVERY_SECONDS)
            await asyncio.gather(*(shell.gate.commit() for shell in self._shells))

    def states(self) -> list[dict[str, Any]]:
        """For health and the watchdog: what each consumer is doing."""
        return [_state(*pair) for pair in zip(self._shells, self.subscribers, strict=True)]


def _state(shell: Shell, subscriber: BatchSubscriber) -> dict[str, Any]:
    consumer = subscriber.consumer
    return {
        "group": shell.group,
        "topic": shell.consumer.topic.name,
        "partitions": len(consumer.assignment()) if consumer else 0,
        "lag": shell.gate.lag(),
        "batches": shell.batches,
        "waiting": shell.waiting,
        "circuit_open": shell.circuit_open,
        "polling": all(not task.done() for task in subscriber.tasks),
        "coordinating": _is_coordinating(consumer),
    }


def _is_coordinating(consumer: Any) -> bool:
    """aiokafka can stay alive and never rejoin its group; only these private futures tell."""
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is None:
        return False
    task = getattr(coordinator, "_coordination_task", None)
    return task is None or not task.done()
