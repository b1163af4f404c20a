"""The places of a process: how many calls it may have open, and which vendors may take them.

A vendor that hangs keeps its places until its calls time out, so no vendor may take them all:

- most places are for all, and one vendor may have a share of them;
- some are set aside for vendors with few calls open;
- the last of those are for configured vendors with no call open, a single place for each;
- ad-hoc vendors, of which a job may name any number, have half of all places together.

What remains: when so many configured vendors hang that they hold the last places, too, others wait until a call times
out.
"""

from dataclasses import dataclass

_SET_ASIDE = 4
"""One place of so many is set aside."""
_LAST = 16
"""One place of so many is among the last."""
_AD_HOC = 2
"""One place of so many is open to ad-hoc vendors."""
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

    def free(self, *, open: int, taken: int, ad_hoc: int | None = None) -> int:
        """How many more calls a vendor may open that has `open` ones, while all together have `taken` places. `ad_hoc`:
        the places that ad-hoc vendors have, if this is one of them."""
        own = max(1, int(self.calls * self.vendor_share)) - open
        left = self.calls - taken
        common = left - self.calls // _SET_ASIDE
        few = min(_FEW - open, left - self.calls // _LAST)
        if ad_hoc is not None:
            return max(0, min(own, max(1, self.calls // _AD_HOC) - ad_hoc, max(common, few)))
        last = min(1 - open, left)
        return max(0, min(own, max(common, few, last)))
