"""Gathers what is to be written, many in one write: what comes while one is under way goes with the next."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """Hands what is put into it to `write`, which gives an outcome for each, in order."""

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, writers: int = 1, most: int = sys.maxsize
    ) -> None:
        """At most `writers` writes are under way, each with at most `most` items."""
        self._write = write
        self._most_writers = writers
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writers: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> R:
        """Wait until the item is written; gives its outcome. It is written even if the caller no longer waits.

        Raises:
            Unavailable: as the write said, or it broke off.
        """
        written: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        self._start_writer()
        return await written

    def _start_writer(self, ended: "asyncio.Task[None] | None" = None) -> None:
        if ended is not None:
            self._writers.discard(ended)
        if self._waiting and len(self._writers) < self._most_writers:
            writer = asyncio.create_task(self._write_waiting())
            self._writers.add(writer)
            writer.add_done_callback(self._start_writer)

    async def _write_waiting(self) -> None:
        """One write. The task reports a defect, and those who wait hear that nothing was written."""
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        futures = [written for _, written in batch]
        try:
            for written, outcome in zip(futures, await self._write([item for item, _ in batch]), strict=True):
                if not written.done():
                    written.set_result(outcome)
        except Unavailable as error:
            _fail(futures, error)
        finally:
            _fail(futures, Unavailable("the write broke off"))


def _fail(futures: Sequence["asyncio.Future[R]"], error: Unavailable) -> None:
    for written in futures:
        if not written.done():
            written.set_exception(error)
