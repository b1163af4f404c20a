"""FastStream in its one narrow shape: batches of raw records, manual acknowledgement, a parser that cannot raise,
no replies, no topic creation, offsets committed by us, a read call of ours. Each of its defaults would lose data.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.brokers import Brokers, options_of
from shared.messaging.faults import kafka_faults
from shared.messaging.reader import Reader
from shared.messaging.shell import Shell

_CONTESTED_TIMES = 5
_CONTESTED_SECONDS = 60.0
_COMMIT_EVERY_SECONDS = 1.0
_IDLE_POLL_MS = 1
_REBALANCE_SECONDS = 60
_START_SECONDS = _REBALANCE_SECONDS + 10
"""Joining waits for the slowest batch of the other members, which a rebalance may last for."""


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

    def __init__(self, brokers: Brokers | str, shells: Sequence[Shell], *, replica: str = "") -> None:
        # A loop of FastStream that crashes must end and be seen, not be restarted three thousand times a second.
        os.environ["FASTSTREAM_SUPERVISOR_DISABLED"] = "1"
        self._shells = shells
        self._options = options_of(brokers)
        self._broker = KafkaBroker(
            self._options["bootstrap_servers"],
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

    def _subscribe(self, shell: Shell, replica: str) -> BatchSubscriber:
        subscriber = self._broker.subscriber(
            shell.topic,
            batch=True,
            max_records=shell.consumer.max_records,
            batch_timeout_ms=_IDLE_POLL_MS,
            group_id=shell.group,
            group_instance_id=f"{shell.group}.{replica}" if replica else None,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=_REBALANCE_SECONDS * 1000,
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
        with kafka_faults():
            async with asyncio.timeout(_START_SECONDS):
                await self._broker.connect()
                self._read_by_our_own()
                await asyncio.gather(*(self._start(*pair) for pair in zip(self._shells, self.subscribers, strict=True)))

    def _read_by_our_own(self) -> None:
        config = self._broker.config.broker_config
        assert isinstance(config.builder, partial)
        config.builder = partial(Reader, **{**config.builder.keywords, **self._options})

    async def _start(self, shell: Shell, subscriber: BatchSubscriber) -> None:
        await subscriber.start()
        if subscriber.consumer is not None:
            shell.gate.attach(subscriber.consumer)
        if isinstance(subscriber.consumer, Reader):
            subscriber.consumer.spacing_seconds = shell.consumer.spacing_seconds
            subscriber.consumer.on_jump = shell.gate.note_jump

    async def close(self) -> None:
        """Stop polling, let the batches in hand end, commit their offsets, leave the groups."""
        for shell in self._shells:
            shell.closing = True
        await asyncio.gather(*(_finish(shell) for shell in self._shells))
        await asyncio.gather(*(subscriber.stop() for subscriber in self.subscribers), return_exceptions=True)

    async def commit_offsets(self) -> float:
        """One step of the loop that commits the offsets of all consumers; gives the seconds until the next. What one
        of them fails with is raised after all have had their turn."""
        outcomes = await asyncio.gather(*(shell.gate.commit() for shell in self._shells), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return _COMMIT_EVERY_SECONDS

    def states(self) -> list[dict[str, Any]]:
        """For health and the watchdog: what each consumer is doing."""
        return [_state(*pair) for pair in zip(self._shells, self.subscribers, strict=True)]


async def _finish(shell: Shell) -> None:
    async with shell.gate.lock:
        await shell.gate.commit()


def _state(shell: Shell, subscriber: BatchSubscriber) -> dict[str, Any]:
    consumer = subscriber.consumer
    coordinator = getattr(consumer, "_coordinator", None)
    return {
        "group": shell.group,
        "topic": shell.consumer.topic.name,
        "partitions": len(consumer.assignment()) if consumer else 0,
        "lag": shell.gate.lag(),
        "batches": shell.batches,
        "waiting": shell.waiting,
        "circuit_open": shell.circuit_open,
        "failing": _failing(shell, consumer),
        "unreadable": _unreadable(consumer),
        "denied": consumer.denied if isinstance(consumer, Reader) else "",
        "connected": _is_connected(consumer),
        "polling": all(not task.done() for task in subscriber.tasks),
        "coordinating": _is_coordinating(coordinator),
        "rejoining": _wants_to_rejoin(coordinator),
        "contested": _is_contested(shell, consumer),
    }


def _failing(shell: Shell, consumer: Any) -> list[str]:
    """Of the partitions that are this consumer's now. A copy is read, as the health endpoint has its own thread."""
    assigned = consumer.assignment() if consumer else frozenset()
    failing = list(shell.gate.failing.items())
    return [f"{at.topic} {at.partition}: {error}" for at, error in failing if at in assigned]


def _unreadable(consumer: Any) -> list[str]:
    found = consumer.unreadable if isinstance(consumer, Reader) else {}
    return [f"{at.topic} {at.partition} {offset}" for at, offset in found.items()]


def _is_connected(consumer: Any) -> bool:
    """Whether a connection to a broker is open; aiokafka tries again for ever, in silence."""
    connections = getattr(getattr(consumer, "_client", None), "_conns", {})
    return any(connection.connected() for connection in list(connections.values()))


def _is_coordinating(coordinator: Any) -> bool:
    """Whether the task that keeps the member in its group lives; only this private future tells."""
    if coordinator is None:
        return False
    task = getattr(coordinator, "_coordination_task", None)
    return task is None or not task.done()


def _wants_to_rejoin(coordinator: Any) -> bool:
    """aiokafka can stay alive and never rejoin its group; only this private future tells."""
    wish = getattr(coordinator, "_rejoin_needed_fut", None)
    return wish is not None and wish.done()


def _is_contested(shell: Shell, consumer: Any) -> bool:
    """Whether another process has the same replica's name: each throws the other out at every heartbeat, for ever."""
    is_static = getattr(consumer, "_group_instance_id", None) is not None
    return is_static and shell.gate.renamed_within(_CONTESTED_SECONDS) >= _CONTESTED_TIMES
