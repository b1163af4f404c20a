"""What became of messages that were sent each for itself. Pure."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent(Generic[T]):
    """What each message was sent for, in the order given, and whether the broker acknowledged it in time. A message
    that was not acknowledged may have been written all the same. `all_in_doubt`: every partition was already failing,
    so silence says nothing about the broker."""

    outcomes: tuple[tuple[T, bool], ...]
    all_in_doubt: bool = False

    @property
    def acknowledged(self) -> list[T]:
        """What the messages were sent for that the broker acknowledged."""
        return [one for one, good in self.outcomes if good]

    @property
    def missed(self) -> list[T]:
        """What the messages were sent for that have to be sent again."""
        return [one for one, good in self.outcomes if not good]

    def raise_if_none(self, what: str) -> None:
        """See whether the broker answers: of some messages it acknowledges at least one.

        Raises:
            Unavailable: it acknowledged none, although not all partitions were in doubt; with the number of `what`.
        """
        if self.outcomes and not self.acknowledged and not self.all_in_doubt:
            raise Unavailable(f"Kafka: none of {len(self.outcomes)} {what} was acknowledged")
