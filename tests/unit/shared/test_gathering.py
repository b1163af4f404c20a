"""What comes while a write is under way goes with the next."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.errors import Unavailable
from shared.runtime.gathering import Gathering


class Writes:
    """Writes that end when they are let go; text that begins with a minus cannot be written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()

    async def write(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        await self.gate.wait()
        if items[0].startswith("-"):
            raise Unavailable(f"not {items[0]}")
        if items[0].startswith("!"):
            raise RuntimeError("a defect")
        return [item.upper() for item in items]


async def _put(gathering: Gathering[str, str], *items: str) -> list["asyncio.Task[str]"]:
    """All are waiting when this returns, and what can be under way is."""
    tasks = [asyncio.create_task(gathering.put(item)) for item in items]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_a_write_is_under_way_goes_with_the_next() -> None:
    writes = Writes()
    gathering = Gathering(writes.write)
    tasks = [*await _put(gathering, "a"), *await _put(gathering, "b", "c")]
    assert writes.batches == [["a"]]
    writes.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]
    assert writes.batches == [["a"], ["b", "c"]]


async def test_no_more_is_written_at_once_than_was_said() -> None:
    writes = Writes()
    gathering = Gathering(writes.write, writers=2, most=2)
    tasks = [*await _put(gathering, "a"), *await _put(gathering, "b"), *await _put(gathering, "c", "d", "e")]
    assert writes.batches == [["a"], ["b"]]
    writes.gate.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "D", "E"]
    assert writes.batches[2:] == [["c", "d"], ["e"]]


async def test_a_write_that_fails_fails_only_its_own() -> None:
    writes = Writes()
    gathering = Gathering(writes.write, most=2)
    gave_up, *tasks = await _put(gathering, "a", "-b", "c", "-d", "e")
    gave_up.cancel()
    writes.gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert list(map(str, outcomes)) == ["-B", "C", "-D", "E"]
    (failed,) = await _put(gathering, "-f")
    with pytest.raises(Unavailable, match="not -f"):
        await failed
    assert writes.batches == [["a", "-b"], ["c", "-d"], ["e"], ["-f"]]


async def test_a_defect_leaves_nobody_waiting() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    writes = Writes()
    gathering = Gathering(writes.write, most=1)
    writes.gate.set()
    broken, whole = await _put(gathering, "!a", "b")
    with pytest.raises(Unavailable, match="broke off"):
        await broken
    assert await whole == "B"
