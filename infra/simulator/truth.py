"""What a vendor saw and served: the facts that tests ask for afterwards.

Memory is bounded: arrival times up to a cap (50 MB), a byte per record served, a counter per page. What no longer
fits is said in the answer, and the highest count in any second is kept on the fly, so it is exact at any length.
"""

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from itertools import compress

from infra.simulator.config import Fault
from infra.simulator.tally import Tally

ARRIVALS_MAX = 5_000_000
RECORDS_MAX = 50_000_000
ADDRESSES_MAX = 10_000


def highest_in_window(moments: Sequence[float], seconds: float) -> int:
    """The most of the ascending moments that lie in any half-open window (t - seconds, t]."""
    highest = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        highest = max(highest, last - first + 1)
    return highest


class HighestCount:
    """The same, kept while the moments come in: a second's worth of memory."""

    __slots__ = ("_inside", "_seconds", "highest")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._inside: deque[float] = deque()
        self.highest = 0

    def add(self, moment: float) -> None:
        """Count a moment, not before the last one."""
        inside = self._inside
        inside.append(moment)
        while inside[0] <= moment - self._seconds:
            inside.popleft()
        self.highest = max(self.highest, len(inside))


class Truth:
    """The facts about one vendor since it was set up or reset."""

    def __init__(self) -> None:
        self.requests = 0
        self._moments = array("d")
        self._admitted = bytearray()
        self._in_a_second = HighestCount(1.0)
        self._admitted_in_a_second = HighestCount(1.0)
        self._statuses: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._addresses: dict[str, int] = {}
        self._requests_of = array("Q")
        self._refused_of = array("Q")
        self._who = array("H")
        self._first_at = self._last_at = 0.0
        self._in_flight = self._highest_in_flight = 0
        self._pages = Tally()
        self._record_deliveries = 0
        self._seen = bytearray()
        self._records_beyond = 0

    @property
    def in_flight(self) -> int:
        """Requests arrived and not yet answered, this one included."""
        return self._in_flight

    def arrived(self, moment: float, *, kind: str, address: str) -> None:
        """A request came in at a monotonic time in seconds."""
        if not self.requests:
            self._first_at = moment
        self._last_at = moment
        self.requests += 1
        self._in_flight += 1
        self._highest_in_flight = max(self._highest_in_flight, self._in_flight)
        self._kinds[kind] += 1
        self._last_of = who = self._number(address)
        self._requests_of[who] += 1
        self._refused_of[who] += 1
        self._in_a_second.add(moment)
        if len(self._moments) < ARRIVALS_MAX:
            self._moments.append(moment)
            self._who.append(who)
            self._admitted.append(0)

    def _number(self, address: str) -> int:
        """The place of an address in the counts, which a short number in the log of arrivals stands for."""
        number = self._addresses.get(address)
        if number is not None:
            return number
        if len(self._addresses) >= ADDRESSES_MAX:
            return self._addresses["others"]
        if len(self._addresses) == ADDRESSES_MAX - 1:
            address = "others"
        number = self._addresses[address] = len(self._addresses)
        self._requests_of.append(0)
        self._refused_of.append(0)
        return number

    def admitted(self) -> None:
        """The contract let the request in that arrived last."""
        self._admitted_in_a_second.add(self._last_at)
        self._refused_of[self._last_of] -= 1
        if self.requests == len(self._moments):
            self._admitted[-1] = 1

    def decided(self, status: int | None, fault: Fault | None) -> None:
        """What a request is going to get: a status, or None where the connection just ends."""
        self._statuses["none" if status is None else str(status)] += 1
        if fault is not None:
            self._faults[fault.value] += 1

    def ended(self) -> None:
        """A request is over, answered or not."""
        self._in_flight -= 1

    def served(self, target: str, indices: range) -> None:
        """A page or a record went out whole."""
        self._pages.count(target)
        self._record_deliveries += len(indices)
        stop = min(indices.stop, RECORDS_MAX)
        if stop > len(self._seen):
            self._seen.extend(bytes(stop - len(self._seen)))
        inside = range(indices.start, max(indices.start, stop))
        self._seen[inside.start : inside.stop] = b"\1" * len(inside)
        self._records_beyond += len(indices) - len(inside)

    def report(self) -> dict[str, object]:
        """All but the counts in windows of other lengths."""
        span = self._last_at - self._first_at
        return {
            "requests": self.requests,
            "by_status": dict(self._statuses),
            "by_kind": dict(self._kinds),
            "by_fault": dict(self._faults),
            "by_address": {address: self._requests_of[number] for address, number in self._addresses.items()},
            "refused_by_address": {address: self._refused_of[number] for address, number in self._addresses.items()},
            "in_flight": self._in_flight,
            "highest_in_flight": self._highest_in_flight,
            "highest_in_any_second": {
                "all": self._in_a_second.highest,
                "admitted": self._admitted_in_a_second.highest,
            },
            "span_seconds": span,
            "average_per_second": (self.requests - 1) / span if span > 0 else None,
            "arrivals_forgotten": self.requests - len(self._moments),
            "pages": self._pages.report(called="target"),
            "records": self._record_report(),
        }

    def _record_report(self) -> dict[str, object]:
        first, last = self._seen.find(1), self._seen.rfind(1)
        return {
            "deliveries": self._record_deliveries,
            "distinct": self._seen.count(1),
            "min_id": first + 1 if first >= 0 else None,
            "max_id": last + 1 if last >= 0 else None,
            "sha256": hashlib.sha256(self._seen[: last + 1]).hexdigest(),
            "uncounted": self._records_beyond,
        }

    def moments(self, *, only_admitted: bool, address: str | None = None) -> Sequence[float]:
        """A copy of the arrival times that are kept, of all addresses or of one, for counting elsewhere."""
        moments, admitted = self._moments, self._admitted
        if address is not None:
            here = [who == self._addresses.get(address) for who in self._who]
            moments, admitted = array("d", compress(moments, here)), bytearray(compress(admitted, here))
        return array("d", compress(moments, admitted)) if only_admitted else moments[:]
