"""Small files in a local folder, read and written at once.

A page is some ten kilobytes. Handing it to another thread and back costs four to ten times as much as the system calls
themselves, which end in the page cache; what is larger than `SMALL_BYTES` goes through obstore's threads.
"""

import itertools
import os
from contextlib import suppress
from pathlib import Path

from shared.ids import new_id

SMALL_BYTES = 256 * 1024
MARK = ".sluice"
"""Tells a folder from another one in its place: a symbolic link that leads nowhere, whose target is the folder's id.
Of several processes one makes it, at once and whole. Volumes of one kind may all have the same inode and device."""

_numbers = itertools.count()


class Folder:
    """Files below `root`, which is there from the start. Methods raise `OSError`."""

    def __init__(self, root: Path) -> None:
        self._root, self._mark = root, root / MARK
        with suppress(FileExistsError):
            os.symlink(str(new_id()), self._mark)
        self._id = os.readlink(self._mark)

    def see(self) -> None:
        """See that the folder is the one that was there at the start. While a volume is not mounted its files are
        away, not gone; and what is written in its place is hidden once it is back.

        Raises:
            OSError: it is not.
        """
        try:
            is_there = os.readlink(self._mark) == self._id
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise OSError(f"{self._root} is away; put it back, or restart Sluice to begin with the folder in its place")

    def put(self, path: str, body: bytes) -> None:
        """Write a file so that no reader ever sees half of one, and none is left where there was no room for it."""
        whole = self._root / path
        draft = f"{whole}#{os.getpid()}-{next(_numbers)}"
        while not _written(draft, body):
            self.see()
            whole.parent.mkdir(exist_ok=True)
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
