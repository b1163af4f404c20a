"""The slots of a process: how many calls it may have open, and which vendors may take them.

A vendor that hangs keeps its slots until its calls time out, so no vendor may take them all:

- most slots are for all, and one vendor may have a share of them;
- some are set aside for vendors with few calls open;
- the last of those are for configured vendors with no call open, a single slot for each;
- ad-hoc vendors, of which a job may name any number, have half of all slots together.

What remains: when so many configured vendors hang that they hold the last slots, too, others wait until a call times
out.

Vendors that find no slot wait in line, and are woken when one is free: no look costs more the more vendors there are.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.specification.vendor import AD_HOC

_SET_ASIDE = 4
"""One of so many slots is set aside."""
_LAST = 16
"""One of so many slots is among the last."""
_AD_HOC_SHARE = 2
"""One of so many slots is open to ad-hoc vendors."""
_FEW = 4


class Suspects:
    """The one slot in a process for a call that fetchers have ended with: two such are never open together, or one
    would be given up for what the other does."""

    def __init__(self) -> None:
        self.is_free = True

    def take(self) -> bool:
        """Whether it was free, and is the asker's now."""
        was_free, self.is_free = self.is_free, False
        return was_free

    def release(self) -> None:
        """It is free again."""
        self.is_free = True


@dataclass(frozen=True, slots=True)
class SlotRules:
    """`calls`: what may be open in the process; `vendor_share`: the part of it that one vendor may have."""

    calls: int
    vendor_share: float

    def free(self, *, open: int, taken: int, ad_hoc: int | None = None) -> int:
        """How many more calls a vendor may open that has `open` ones, while all together have `taken` slots. `ad_hoc`:
        the slots that ad-hoc vendors have, if this is one of them."""
        own = max(1, int(self.calls * self.vendor_share)) - open
        left = self.calls - taken
        common = left - self.calls // _SET_ASIDE
        few = min(_FEW - open, left - self.calls // _LAST)
        if ad_hoc is not None:
            return max(0, min(own, max(1, self.calls // _AD_HOC_SHARE) - ad_hoc, max(common, few)))
        last = min(1 - open, left)
        return max(0, min(own, max(common, few, last)))


class CallSlots:
    """The slots of a process: how many are taken, and which vendors wait for one."""

    def __init__(
        self, rules: SlotRules, open_lane: Callable[[str], None], *, is_shut: Callable[[], bool] = lambda: False
    ) -> None:
        """`open_lane` has a vendor looked after that has no call open; its lane takes a slot before that returns.
        While the process `is_shut` no slot is free."""
        self.suspects = Suspects()
        self._rules = rules
        self._open_lane = open_lane
        self._is_shut = is_shut
        self._taken = 0
        self._taken_ad_hoc = 0
        self._in_line: dict[bool, OrderedDict[str, None]] = {True: OrderedDict(), False: OrderedDict()}
        """Vendors with no call open, ad-hoc ones and others, in the order in which they came."""
        self._want_more: OrderedDict[str, Callable[[], None]] = OrderedDict()
        """Vendors with calls open that found no slot for another, and what has them look again."""

    def free(self, *, open: int, promised: int, is_ad_hoc: bool) -> int:
        """How many more calls a vendor may open that has `open` ones, and has taken `promised` slots already."""
        if self._is_shut():
            return 0
        ad_hoc = self._taken_ad_hoc - promised if is_ad_hoc else None
        return self._rules.free(open=open, taken=self._taken - promised, ad_hoc=ad_hoc)

    def take(self, vendor: str, count: int) -> None:
        """So many slots are this vendor's."""
        self._taken += count
        if is_ad_hoc(vendor):
            self._taken_ad_hoc += count

    def give_back(self, vendor: str, count: int) -> None:
        """So many slots are this vendor's no more. Those first in line get them; of the vendors that have calls open
        as many look whether they may have one."""
        self.take(vendor, -count)
        self.offer()
        for _ in range(min(count, len(self._want_more))):
            _, look = self._want_more.popitem(last=False)
            look()

    def wait(self, vendor: str) -> None:
        """This vendor has no call open, and found no slot for one."""
        self._in_line[is_ad_hoc(vendor)][vendor] = None

    def want_more(self, vendor: str, look: Callable[[], None]) -> None:
        """This vendor has calls open, and found no slot for another; `look` has it look again."""
        self._want_more[vendor] = look

    def line_up(self, vendors: Iterable[str]) -> None:
        """These vendors have calls that are due and none open, and no others have. Who waits already keeps its turn."""
        given = {True: OrderedDict[str, None](), False: OrderedDict[str, None]()}
        for vendor in vendors:
            given[is_ad_hoc(vendor)][vendor] = None
        for kind, line in self._in_line.items():
            waiting = OrderedDict.fromkeys(vendor for vendor in line if vendor in given[kind])
            waiting.update(given[kind])
            self._in_line[kind] = waiting
        self.offer()

    def offer(self) -> None:
        """Give the slots that are free to those first in line: to ad-hoc vendors before others, as they may have but a
        part of all slots."""
        for kind, line in self._in_line.items():
            while line and self.free(open=0, promised=0, is_ad_hoc=kind) > 0:
                self._open_lane(line.popitem(last=False)[0])


def is_ad_hoc(vendor: str) -> bool:
    """Whether nobody configured this vendor: a job named it by a URL alone."""
    return vendor.startswith(AD_HOC)
