"""What it means that a broker does not answer, and a way to ask it about itself."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.brokers import Brokers, options_of
from shared.errors import Unavailable

KAFKA_FAULTS = (KafkaError, OSError, TimeoutError)


@contextmanager
def kafka_faults() -> Iterator[None]:
    """Make `Unavailable` of whatever the library raises."""
    try:
        yield
    except KAFKA_FAULTS as error:
        raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def administration(brokers: Brokers | str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connection for questions about topics and groups.

    Raises:
        Unavailable: no broker answers, or it refuses.
    """
    admin = AIOKafkaAdminClient(**options_of(brokers))
    with kafka_faults():
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
