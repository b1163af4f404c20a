"""How often one key may ask: a bucket of tokens for each, refilled steadily. Pure but for the clock, an argument.

Each process counts for itself, so with several gateways a key may ask as many times as often. The answer to a
key that asks too often says when to come again; nobody else waits for it.
"""

from collections.abc import Callable


class Pace:
    """Buckets by key. A bucket is known by the moment at which it will be full again (the generic cell rate
    algorithm), so a key costs one number, and an idle key nothing."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        """At most `burst` requests at once, and `per_second` in the long run; 0 sets no limit."""
        self._interval = 1 / per_second if per_second else 0.0
        self._room = self._interval * (burst - 1)
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, key_id: str) -> float:
        """Take a token; 0 if there was one, else the seconds until there is."""
        now = self._clock()
        full_at = max(self._full_at.get(key_id, now), now)
        if full_at - now > self._room:
            return full_at - now - self._room
        self._full_at[key_id] = full_at + self._interval
        return 0.0
