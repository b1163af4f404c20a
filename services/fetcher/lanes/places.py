"""The places of a process: how many calls it may have open, and who may take them.

A vendor that hangs keeps its places until its calls time out. So some are set aside for lanes that have few calls open:
however many vendors hang, another one is called as long as each of them has no more than those few of what is set
aside.
"""

from dataclasses import dataclass

_SET_ASIDE = 4
"""One place of so many is set aside."""
_FEW = 4


class Suspects:
    """The one place in a process for a call that fetchers have ended with: two such are never open together, or one
    would be given up for what the other does."""

    def __init__(self) -> None:
        self._is_taken = False

    def take(self) -> bool:
        """Whether it was free, and is the asker's now."""
        was_free, self._is_taken = not self._is_taken, True
        return was_free

    def release(self) -> None:
        """It is free again."""
        self._is_taken = False


@dataclass(frozen=True, slots=True)
class Places:
    """`calls`: what may be open in the process; `vendor_share`: the part of it that one vendor may have."""

    calls: int
    vendor_share: float

    def free(self, *, open: int, taken: int) -> int:
        """How many more calls a lane may open that has `open` ones, while all lanes together have `taken` places."""
        own = max(1, int(self.calls * self.vendor_share)) - open
        common = self.calls - self.calls // _SET_ASIDE - taken
        few = min(_FEW - open, self.calls - taken)
        return max(0, min(own, max(common, few)))
