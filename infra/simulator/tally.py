"""How often each of many things happened, in bounded memory."""

import heapq

DISTINCT_MAX = 1_000_000
_SHOWN = 20


class Tally:
    """Counts by name; names beyond the bound are only counted together."""

    __slots__ = ("_beyond", "_repeated", "_times")

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._repeated: dict[str, int] = {}
        self._beyond = 0

    def count(self, name: str) -> None:
        """It happened once more."""
        times = self._times.get(name, 0) + 1
        if times == 1 and len(self._times) >= DISTINCT_MAX:
            self._beyond += 1
            return
        self._times[name] = times
        if times > 1:
            self._repeated[name] = times

    def report(self, *, called: str) -> dict[str, object]:
        """The sums, and what happened most often; `called` is what a name is in the answer."""
        top = heapq.nlargest(_SHOWN, self._repeated.items(), key=lambda item: (item[1], item[0]))
        return {
            "distinct": len(self._times),
            "repeated": len(self._repeated),
            "most_repeated": [{called: name, "times": times} for name, times in top],
            "uncounted": self._beyond,
        }
