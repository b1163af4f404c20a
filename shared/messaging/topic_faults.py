"""Why a topic takes no messages now, as the broker's metadata tell."""

import asyncio
from dataclasses import dataclass

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    BrokerNotAvailableError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from shared.errors import Unavailable
from shared.messaging.faults import kafka_faults

_ASK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class TopicFault:
    """What is wrong with a topic. `by_choice`: a person made it so and may never undo it; else it is an outage."""

    text: str
    by_choice: bool = False


MISSING = TopicFault("the topic does not exist", by_choice=True)
FORBIDDEN = TopicFault("the topic must not be written to", by_choice=True)
TOO_SMALL = TopicFault("the topic takes no messages of this size (max.message.bytes)", by_choice=True)
AGAINST_POLICY = TopicFault("a policy of the broker refuses the messages", by_choice=True)
LEADERLESS = TopicFault("a partition of the topic has no leader")
SILENT = TopicFault("the topic did not take its messages in time")


async def find_fault(client: AIOKafkaClient, topic: str) -> TopicFault | None:
    """What is known to be wrong with a topic (full name). The broker is asked only about what is not well as far as is
    known: while all is, this costs nothing.

    Raises:
        Unavailable: no broker answers.
    """
    if _fault_of(client, topic) is None:
        return None
    client.add_topic(topic)
    await refresh_metadata(client)
    return _fault_of(client, topic)


async def refresh_metadata(client: AIOKafkaClient) -> None:
    """Ask which topics there are and who leads their partitions.

    Raises:
        Unavailable: no broker answers.
    """
    with kafka_faults():
        async with asyncio.timeout(_ASK_SECONDS):
            if not await client.force_metadata_update():
                raise BrokerNotAvailableError


def fault_behind(error: Unavailable) -> TopicFault:
    """What is wrong with topics of which the metadata say nothing, and which took no messages all the same."""
    match error.__cause__:
        case TopicAuthorizationFailedError():
            return FORBIDDEN
        case MessageSizeTooLargeError() | RecordListTooLargeError():
            return TOO_SMALL
        case PolicyViolationError():
            return AGAINST_POLICY
        case _:
            return SILENT


def _fault_of(client: AIOKafkaClient, topic: str) -> TopicFault | None:
    if topic in client.cluster.unauthorized_topics:
        return FORBIDDEN
    partitions = client.cluster.partitions_for_topic(topic)
    if not partitions:
        return MISSING
    return None if client.cluster.available_partitions_for_topic(topic) == partitions else LEADERLESS
