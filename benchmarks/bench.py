"""How a run of `make bench` is set up: where its stack lives and how often things are repeated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs to know."""

    root: Path
    """Folder of the stack under measurement."""
    quick: bool = False
    """Each thing once and small: to see that it works, not to quote it."""

    def times(self, wanted: int) -> int:
        """How often something is repeated."""
        return 1 if self.quick else wanted
