"""Reading pages: what is held at once stays within bounds."""

import threading
from collections.abc import Sequence

import pytest

from services.processor.model import Page
from services.processor.process.decide import take_apart
from services.processor.process.prepare import Preparation, TooMuchAtOnce
from shared.events.envelope import Incoming, Position, Record
from shared.events.payloads import PayloadStored, Pointer
from shared.ids import new_id
from shared.payloads.store import PayloadStore
from shared.runtime.clock import utc_now
from shared.specification.request import Records
from shared.specification.source import PostgresSink, TopicSink
from tests.support.pages import TABLE, TOPIC, stored_payload

RECORD = Record(Position("t", 0, 0), None, b"", (), utc_now())


async def stored(
    payloads: PayloadStore, *sizes: int, sinks: tuple[TopicSink | PostgresSink, ...] = (TABLE,)
) -> Sequence[Incoming[PayloadStored]]:
    """Events of pages with so many records each."""
    bodies = [b"[" + b",".join(b'{"id":%d}' % number for number in range(size)) + b"]" for size in sizes]
    pointers = [await payloads.put(new_id(), "0", body, media_type="application/json") for body in bodies]
    return [Incoming(stored_payload(pointer, sinks=sinks), new_id(), 0, RECORD) for pointer in pointers]


async def test_pages_with_very_many_records_together_are_not_held_at_once() -> None:
    payloads = PayloadStore("memory://")
    preparation = Preparation(payloads, 8)
    with pytest.raises(TooMuchAtOnce):
        await preparation.prepare(await stored(payloads, 1, 30_000, 30_000))
    pages = await preparation.prepare(await stored(payloads, 1, 20_000, 20_000))
    assert [len(incoming.event.records) for incoming in pages] == [1, 20_000, 20_000]
    with pytest.raises(TooMuchAtOnce):
        await preparation.prepare(await stored(payloads, 10_000, 10_000, sinks=(TABLE, TOPIC)))


@pytest.mark.parametrize(
    ("records", "count", "beside"),
    [
        (Records(), 10_000, False),
        (Records(select="body", key="id"), 10_000, False),
        (Records(select="body[]", key="id"), 10_000, False),
        (Records(key="meta.id"), 10_000, False),
        (Records(key='"order-id"'), 10_000, False),
        (Records(select="body[?id]", key="id"), 1000, False),
        (Records(select="body[?id]", key="id"), 100_000, True),
        (Records(key="[id][0]"), 500, False),
        (Records(key="[id][0]"), 6000, True),
        (Records(select="body[].[@, @, @, @, @, @][].[@, @, @, @, @, @][]", key="id"), 1000, True),
    ],
)
async def test_expressions_that_take_long_are_evaluated_beside_the_event_loop(
    records: Records, count: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may take seconds, in which everything else goes on. What is quick stays on the loop, as the hop costs."""
    threads = set[int]()

    def noted(stored: PayloadStored, body: bytes) -> Page:
        threads.add(threading.get_ident())
        return take_apart(stored, body)

    monkeypatch.setattr("services.processor.process.prepare.take_apart", noted)
    payloads = PayloadStore("memory://")
    body = b"[" + b",".join([b"0"] * count) + b"]"
    pointer = await payloads.put(new_id(), "0", body, media_type="application/json")
    await Preparation(payloads, 8).prepare([Incoming(stored_payload(pointer, records=records), new_id(), 0, RECORD)])
    assert (threading.get_ident() not in threads) == beside


class Counting(PayloadStore):
    """Counts how often a payload is read."""

    reads = 0

    async def get(self, pointer: Pointer) -> bytes:
        self.reads += 1
        return await super().get(pointer)


async def test_once_there_is_too_much_no_other_page_is_read() -> None:
    payloads = Counting("memory://")
    with pytest.raises(TooMuchAtOnce):
        await Preparation(payloads, 2).prepare(await stored(payloads, *[30_000] * 12))
    assert payloads.reads <= 4


async def test_a_page_with_very_many_records_is_read_alone() -> None:
    payloads = PayloadStore("memory://")
    [page] = await Preparation(payloads, 8).prepare(await stored(payloads, 80_000))
    assert (page.event.failure, len(page.event.records)) == (None, 80_000)
