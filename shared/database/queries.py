"""SQL is in files beside the store that uses it; each file is one statement."""

from collections.abc import Mapping
from pathlib import Path


def load_queries(module_file: str) -> Mapping[str, str]:
    """All `.sql` files in the folder of a module, by name without the ending. Call it with `__file__`, once."""
    return {path.stem: path.read_text("utf-8") for path in sorted(Path(module_file).parent.glob("*.sql"))}


def changed_rows(status: str) -> int:
    """How many rows a statement says that it changed, such as `DELETE 7` or `INSERT 0 7`."""
    return int(status.rsplit(" ", 1)[1])
