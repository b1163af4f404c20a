"""Places for requests that stay long: so many at once, and some of them for every API key."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """So many slots. A key that holds some gets another only while more are free than it holds: one key alone gets
    half of the slots, and the next key always finds some. Requests without a key share the slots without that bound."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._held: Counter[str] = Counter()

    def is_free(self, key: str | None) -> bool:
        """Whether a request with this key may have a slot now."""
        return self._free > (0 if key is None else self._held[key])

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Have a slot for the length of the block; see first whether one is free."""
        self._take(key, 1)
        try:
            yield
        finally:
            self._take(key, -1)

    def _take(self, key: str | None, count: int) -> None:
        self._free -= count
        if key is not None:
            self._held[key] += count
            if not self._held[key]:
                del self._held[key]
