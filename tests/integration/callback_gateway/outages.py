"""A database and a broker that are away, and what is sent once they are back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.callback_gateway.redrive.loop import Redrive
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.loop import Drain
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database, Transaction
from shared.errors import Unavailable
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from tests.support.stack import Place

AWAY = Database("postgresql://nobody@127.0.0.1:1/none", schema="none")


class Counting(Database):
    """Counts its transactions."""

    asked = 0

    @asynccontextmanager
    async def transaction(self, *, reserved: bool = False) -> AsyncIterator[Transaction]:
        """One more."""
        self.asked += 1
        async with super().transaction(reserved=reserved) as tx:
            yield tx


async def crash(*_: object) -> None:
    """In the place of what is written down once the broker has acknowledged.

    Raises:
        Unavailable: always.
    """
    raise Unavailable("the process died")


def without_broker(place: Place) -> Producer:
    """A producer that never reached its broker."""
    return Producer(place.kafka, prefix=place.prefix)


def drain_of(place: Place, payloads: Path, producer: Producer, database: Database) -> Drain:
    """The loop that sends what stands in the spool."""
    settings = place.settings(Settings, payloads)
    runtime: Runtime[Any] = Runtime(settings, database, producer, PayloadStore("memory://"))
    return Drain(runtime, Outbound(producer, database, 1))


async def drain(place: Place, payloads: Path, producer: Producer, database: Database) -> None:
    """Send what stands in the spool, once."""
    await drain_of(place, payloads, producer, database).step()


def redrive_of(place: Place, payloads: Path, database: Database, producer: Producer) -> Redrive:
    """The loop that sends dead letters again."""
    runtime: Runtime[Any] = Runtime(place.settings(Settings, payloads), database, producer, PayloadStore("memory://"))
    return Redrive(runtime)
