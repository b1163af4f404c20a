"""By which egress a call leaves: the next in turn with each attempt, unless it rests."""

from datetime import datetime

from shared.specification.vendor import Vendor

_MOST = 10_000


class EgressRests:
    """Egresses that a vendor has limited, as far as this process met that. They rest while others can be used."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], datetime] = {}

    def choose(self, vendor: Vendor, attempt: int, now: datetime) -> str:
        """The egress of this attempt; when all of them rest, the one that rests the shortest."""
        first = (attempt - 1) % len(vendor.egress)
        in_turn = [*vendor.egress[first:], *vendor.egress[:first]]
        return min(in_turn, key=lambda egress: max(self._end(vendor, egress, now), now))

    def rest(self, vendor: Vendor, egress: str, until: datetime, now: datetime) -> datetime:
        """Leave this egress alone until then; gives when the first of the vendor's may be used: now, if another can."""
        if len(self._until) >= _MOST:
            self._until = {place: end for place, end in self._until.items() if end > now}
        self._until[vendor.vendor, egress] = until
        return max(now, min(self._end(vendor, other, now) for other in vendor.egress))

    def _end(self, vendor: Vendor, egress: str, now: datetime) -> datetime:
        return self._until.get((vendor.vendor, egress), now)
