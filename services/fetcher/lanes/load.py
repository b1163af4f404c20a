"""What one lane has under way: every call is counted here, for the lane, for the process and for the metrics."""

from collections.abc import Callable

from services.fetcher.lanes.slots import CallSlots, is_ad_hoc
from services.fetcher.metrics import IN_FLIGHT
from services.fetcher.model import Claimed, ClaimKey, Ended, Later, Outcome
from shared.observability.metrics import vendor_label

_SHARES = 4


class LaneLoad:
    """The calls of one lane, from their claim until their outcomes are written down."""

    def __init__(self, vendor: str, slots: CallSlots, wake: Callable[[], None]) -> None:
        """`wake` has the lane look again."""
        self.wake = wake
        self.open = 0
        """Calls that have a slot in the process, from their claim until their outcome is written down."""
        self.reserved = 0
        """Slots that are taken for calls which the claim under way, or else the next, may open."""
        self.most = 1
        """Calls that may be in flight at the vendor."""
        self._vendor = vendor
        self._is_ad_hoc = is_ad_hoc(vendor)
        self._slots = slots
        self._may_open_suspect = False
        self._answered: set[ClaimKey] = set()
        """Open calls that the vendor has answered well: it has room for others. By their claims: a fetcher that was
        silent may have a call open twice, taken over and then claimed again."""
        self._refused: set[ClaimKey] = set()
        """Open calls after which the vendor is to be left alone: until that is written down, nothing leaves."""

    @property
    def free(self) -> int:
        """How many more calls may be opened in this process."""
        return self._slots.free(open=self.open, reserved=self.reserved, is_ad_hoc=self._is_ad_hoc)

    @property
    def at_vendor(self) -> int:
        """Calls that are in flight, or about to be. Answered calls stop counting, but at most `most` of them, because a
        crash would repeat them."""
        return self.open - min(len(self._answered), self.most)

    @property
    def is_refused(self) -> bool:
        """Whether the vendor is to be left alone."""
        return bool(self._refused)

    def reserve(self, count: int) -> None:
        """Take slots, so that the claim under way, or else the next, may open so many calls."""
        more = max(0, count - self.reserved)
        self.reserved += more
        self._slots.take(self._vendor, more)

    def take_suspect(self) -> bool:
        """Whether the claim under way may open a call that fetchers have ended with: the process has one such slot."""
        self._may_open_suspect = self._slots.suspects.take()
        return self._may_open_suspect

    def claimed(self, count: int, *, has_suspect: bool = False, lacks_slots: bool = False) -> None:
        """The claim is over, and so many calls are open by it, a suspect one among them if it `has_suspect`; there may
        be more if it `lacks_slots`."""
        if self._may_open_suspect and not has_suspect:
            self._slots.suspects.release()
        self._may_open_suspect = False
        unused, self.reserved = self.reserved - count, 0
        self.open += count
        if count:
            IN_FLIGHT.labels(vendor=vendor_label(self._vendor)).inc(count)
        if unused:
            self._slots.give_back(self._vendor, unused)
        if not lacks_slots:
            self._slots.leave(self._vendor)
        elif self.free > 0:
            self.wake()
        elif not self.open:
            self._slots.wait(self._vendor)

    def ended(self, outcome: Outcome) -> None:
        """The outcome of a call is known. After good answers the lane looks again when a share of what may be in flight
        is free: a claim after every single answer would cost too much."""
        if _wants_rest(outcome):
            self._refused.add(outcome.call.key)
        elif isinstance(outcome, Ended) and outcome.succeeded and not self._refused:
            self._answered.add(outcome.call.key)
            IN_FLIGHT.labels(vendor=vendor_label(self._vendor)).dec()
            if self.at_vendor * _SHARES <= self.most * (_SHARES - 1):
                self.wake()

    def settled(self, call: Claimed) -> None:
        """The outcome of a call is written down."""
        self.open -= 1
        self._refused.discard(call.key)
        if call.key in self._answered:
            self._answered.remove(call.key)
        else:
            IN_FLIGHT.labels(vendor=vendor_label(self._vendor)).dec()
        if call.is_suspect:
            self._slots.suspects.release()
        self._slots.give_back(self._vendor, 1)
        self.wake()


def _wants_rest(outcome: Outcome) -> bool:
    """Whether its vendor is to be left alone. That is written down before anything else leaves."""
    if isinstance(outcome, Later):
        return outcome.limited
    return outcome.credential_refused or outcome.spent_until is not None
