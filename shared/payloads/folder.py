"""Small files in a local folder, read and written at once.

A page is some ten kilobytes. Handing it to another thread and back costs four to ten times as much as the system calls
themselves, which end in the page cache; what is larger than `SMALL_BYTES` goes through obstore's threads.
"""

import itertools
import os
from pathlib import Path

SMALL_BYTES = 256 * 1024

_numbers = itertools.count()


class Folder:
    """Files below `root`. Methods raise `OSError`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: str, body: bytes) -> None:
        """Write a file so that no reader ever sees half of one, and none is left where there was no room for it."""
        whole = self._root / path
        draft = f"{whole}#{os.getpid()}-{next(_numbers)}"
        while not _written(draft, body):
            whole.parent.mkdir(parents=True, exist_ok=True)
        os.rename(draft, whole)

    def get(self, path: str) -> bytes:
        """Read a whole file."""
        with open(self._root / path, "rb", buffering=0) as file:
            return file.read()


def _written(path: str, body: bytes) -> bool:
    """Whether the folder was there: it goes with its last file, also between its making and its use."""
    try:
        with open(path, "wb") as file:
            file.write(body)
    except FileNotFoundError:
        return False
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise
    return True
