"""What a topic of the catalogue says of itself.

Names stand there without the prefix (`sluice` by default); `Topic.full_name` adds it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter

E = TypeVar("E")

ANYONE = ("anyone",)
WEEK = timedelta(days=7)
MAX_MESSAGE_BYTES = 1024**2


@dataclass(frozen=True)
class Topic(Generic[E]):
    """One topic: what it carries, keyed by what, from whom to whom, and how long it is kept.

    `busy` topics get the profile's full number of partitions, others at most three.
    `public` ones may be produced to or read by anyone.
    `named` gives the key that an event must have, where the key is what a tombstone takes away.
    """

    name: str
    key: str
    model: Any
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    carries: str
    public: bool = False
    busy: bool = True
    cleanup: Literal["delete", "compact"] = "delete"
    retention: timedelta = WEEK
    max_message_bytes: int = MAX_MESSAGE_BYTES
    named: Callable[[Any], str] | None = None

    @cached_property
    def adapter(self) -> TypeAdapter[E]:
        """Validates a value of this topic."""
        return TypeAdapter(self.model)

    @property
    def is_inner(self) -> bool:
        """Whether only services produce to it, and it carries no state. Then unknown fields are ignored at every depth,
        so that a newer release may add some. What people write, and what is kept as state, is read strictly."""
        return self.producers != ANYONE and not self.is_state

    @property
    def is_state(self) -> bool:
        """Whether the last record of a key is what is in force. No record of such a topic is ever sent again by a retry
        or redrive: it would take the place of a newer one, and be all that compaction keeps, although it is for one
        group."""
        return self.cleanup == "compact"

    def full_name(self, prefix: str) -> str:
        """The name that the broker knows."""
        return f"{prefix}.{self.name}"
