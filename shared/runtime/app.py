"""What a service is made of: its resources, and the table of consumers, loops and workers built on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from shared.database.pool import Database
from shared.messaging.handler import Consumer
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.loop import Loop
from shared.runtime.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


class Worker(Protocol):
    """Anything else that runs for the life of the process: an HTTP server, a pool of calls."""

    name: str

    async def run(self) -> None:
        """Until stopped."""

    def stop(self) -> None:
        """End soon; `run` returns when what is in hand is done."""


class Closable(Protocol):
    """What a service has opened for itself."""

    async def close(self) -> None:
        """Nobody uses it any more."""


@dataclass(frozen=True)
class Runtime(Generic[S]):
    """The open resources of a process, handed to the function that builds its app."""

    settings: S
    database: Database
    producer: Producer
    payloads: PayloadStore


@dataclass(frozen=True)
class App:
    """A service as tables. Consumers stop first, then workers, then the loops, which workers may count on; the
    `closables` are closed when all have ended."""

    consumers: Sequence[Consumer[Any]]
    loops: Sequence[Loop] = ()
    workers: Sequence[Worker] = field(default=())
    closables: Sequence[Closable] = ()
