"""What became of messages that were sent each for itself. Pure."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent(Generic[T]):
    """What each message was sent for, in the order given, and whether the broker acknowledged it in time. One that was
    not acknowledged may have been written all the same. `is_known`: all are for partitions of which it was known that
    they take nothing."""

    outcomes: tuple[tuple[T, bool], ...]
    is_known: bool = False

    @property
    def acknowledged(self) -> list[T]:
        """Whose message the broker has."""
        return [one for one, good in self.outcomes if good]

    @property
    def missed(self) -> list[T]:
        """Whose message has to be sent again."""
        return [one for one, good in self.outcomes if not good]

    def raise_if_none(self, what: str) -> None:
        """When there were messages and none was acknowledged, it is the broker that does not answer, unless it is known
        to be their partitions.

        Raises:
            Unavailable: with the number of `what`.
        """
        if self.outcomes and not self.acknowledged and not self.is_known:
            raise Unavailable(f"Kafka: none of {len(self.outcomes)} {what} was acknowledged")
