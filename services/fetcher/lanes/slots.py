"""The slots of a process: how many calls it may have open, and which vendors may take them.

A vendor that hangs keeps its slots until its calls time out, so no vendor may take them all. There are three tiers.
Vendors with fewer calls open may use more of them; with 256 slots and the default share of a half:

    tier      slots   for vendors with         each vendor has at most
    common    192     any number of calls      128, its share of all slots
    few       32      fewer than 4 calls       4
    last      32      no call open             1; half of these for configured vendors, half for ad-hoc ones

Ad-hoc vendors, of which a job may name any number, have half of all slots together at most.

What remains: when so many vendors hang that they hold the last slots, too, others wait until a call times out.

Vendors with no call open that find no slot wait in line. A slot that is given back goes to the first that may have it,
before that vendor looks for calls; if it finds none, the slot goes to the next. No look costs more the more vendors
there are. Vendors with calls open look again when one of these ends, or after a second: in line, those that hang would
collect each slot that is free for a moment.
"""

from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass

from shared.specification.vendor import AD_HOC

_SET_ASIDE = 4
"""One of so many slots is in none but the last two tiers."""
_LAST = 16
"""One of so many slots is among the last for configured vendors, and one among the last for ad-hoc ones."""
_AD_HOC_SHARE = 2
"""One of so many slots is open to ad-hoc vendors."""
_FEW = 4


class Suspects:
    """The one slot in a process for a call that fetchers have ended with: two such are never open together, or one
    would be given up for what the other does."""

    def __init__(self) -> None:
        self.is_free = True

    def take(self) -> bool:
        """Whether it was free; if so, the caller has it now."""
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

    def free(self, *, open: int, taken: int, ad_hoc: int = 0, is_ad_hoc: bool = False) -> int:
        """How many more calls a vendor may open that has `open` ones, while all together have `taken` slots, and ad-hoc
        vendors `ad_hoc` of them. It may use the tier that allows most."""
        left, half_of_last = self.calls - taken, self.calls // _LAST
        kept_for_ad_hoc = max(0, half_of_last - ad_hoc)
        common = left - self.calls // _SET_ASIDE
        few = min(_FEW - open, left - half_of_last - kept_for_ad_hoc)
        last = min(1 - open, kept_for_ad_hoc if is_ad_hoc else left - kept_for_ad_hoc)
        own = max(1, int(self.calls * self.vendor_share)) - open
        together = max(1, self.calls // _AD_HOC_SHARE) - ad_hoc if is_ad_hoc else left
        return max(0, min(own, together, max(common, few, last)))


class CallSlots:
    """The slots of a process: how many are taken, and which vendors wait for one."""

    def __init__(
        self, rules: SlotRules, give: Callable[[str], None], *, is_shut: Callable[[], bool] = lambda: False
    ) -> None:
        """`give` lets a vendor's lane take a slot, before it returns, and look for calls. While the process `is_shut`
        no slot is free."""
        self.suspects = Suspects()
        self._rules = rules
        self._give = give
        self._is_shut = is_shut
        self._taken = 0
        self._taken_ad_hoc = 0
        self._lines: dict[bool, OrderedDict[str, None]] = {True: OrderedDict(), False: OrderedDict()}
        """Vendors that wait, ad-hoc ones and others, in the order in which they came."""

    def free(self, *, open: int, reserved: int, is_ad_hoc: bool) -> int:
        """How many more calls a vendor may open that has `open` ones, and has taken `reserved` slots already: these at
        least, whatever others took since."""
        if self._is_shut():
            return 0
        ad_hoc = self._taken_ad_hoc - reserved if is_ad_hoc else self._taken_ad_hoc
        free = self._rules.free(open=open, taken=self._taken - reserved, ad_hoc=ad_hoc, is_ad_hoc=is_ad_hoc)
        return max(reserved, free)

    def take(self, vendor: str, count: int) -> None:
        """So many slots are this vendor's."""
        self._taken += count
        if is_ad_hoc(vendor):
            self._taken_ad_hoc += count

    def give_back(self, vendor: str, count: int) -> None:
        """So many slots are this vendor's no more. The first in line get them."""
        self.take(vendor, -count)
        self.offer()

    def wait(self, vendor: str) -> None:
        """This vendor has no call open, and found no slot for one. If it waits already it keeps its turn."""
        self._lines[is_ad_hoc(vendor)][vendor] = None

    def leave(self, vendor: str) -> None:
        """This vendor does not wait for a slot."""
        self._lines[is_ad_hoc(vendor)].pop(vendor, None)

    def forget_others(self, busy: Container[str]) -> None:
        """Vendors that are not `busy` wait no more: no calls of theirs are due."""
        for kind, line in self._lines.items():
            self._lines[kind] = OrderedDict.fromkeys(vendor for vendor in line if vendor in busy)

    def offer(self) -> None:
        """Give the slots that are free to those first in line: to ad-hoc vendors before others, as they may have but a
        part of all slots."""
        for kind, line in self._lines.items():
            while line and self.free(open=0, reserved=0, is_ad_hoc=kind) > 0:
                self._give(line.popitem(last=False)[0])


def is_ad_hoc(vendor: str) -> bool:
    """Whether this vendor is not configured: a job named it by a URL alone."""
    return vendor.startswith(AD_HOC)
