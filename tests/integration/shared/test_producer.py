"""Few messages and many take different ways to the broker; nobody may see a difference."""

import asyncio
import random

import pytest

from shared.events.catalogue import TASKS_EVENTS
from shared.ids import new_id
from shared.messaging import putting
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.support.eventually import eventually
from tests.support.stack import Place

KEYS = [str(new_id()) for _ in range(20)]


def message(number: int, size: int = 100) -> Outgoing:
    value = f"{number} ".encode() + b"x" * size
    return Outgoing(TASKS_EVENTS.name, KEYS[number % len(KEYS)], value, (("number", str(number).encode()),))


async def test_the_order_of_a_key_holds_whether_few_or_many_messages_are_sent(
    topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    reader, number = await reader_for(TASKS_EVENTS.name), 0
    for many in (1, 700, 3, 15, 16, 17, 400, 2, 1000):
        await producer.send([message(n) for n in range(number, number + many)])
        number += many
    await eventually(lambda: len(reader.records) == number, 30)
    for key in KEYS:
        own = [record for record in reader.records if record.key == key.encode()]
        numbers = [int(dict(record.headers)["number"]) for record in own]
        assert numbers == sorted(numbers)
        assert len({record.partition for record in own}) == 1
    assert len({record.partition for record in reader.records}) == 2


async def test_messages_that_do_not_fit_into_one_batch_arrive_in_order(
    topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    """Record batches hold 256 KiB; a single message may be larger."""
    reader = await reader_for(TASKS_EVENTS.name)
    sizes = [random.choice((10, 10_000, 100_000, 600_000)) for _ in range(60)]
    await producer.send([message(number, size) for number, size in enumerate(sizes)])
    await eventually(lambda: len(reader.records) == len(sizes), 30)
    for partition in (0, 1):
        numbers = [int(dict(record.headers)["number"]) for record in reader.records if record.partition == partition]
        assert numbers == sorted(numbers)


async def test_a_message_without_a_value_and_one_with_an_odd_key_arrive_among_many(
    topics: Place, producer: Producer, reader_for: ReaderFor
) -> None:
    reader = await reader_for(TASKS_EVENTS.name)
    odd = b"\xff\xfe key".decode("utf-8", errors="surrogateescape")
    await producer.send([*map(message, range(50)), Outgoing(TASKS_EVENTS.name, odd, None, ())])
    await eventually(lambda: len(reader.records) == 51, 30)
    [tombstone] = [record for record in reader.records if record.value is None]
    assert tombstone.key == b"\xff\xfe key"


async def test_a_partition_that_has_no_room_costs_no_connection(
    topics: Place, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others have under way on it would fail."""
    put = putting.put

    async def finds_no_room(made: object, prefix: str, one: Outgoing) -> putting.Acknowledgement:
        if one.key == KEYS[0]:
            await asyncio.Event().wait()
        return await put(producer._producer, prefix, one)

    await producer.send([message(1)])
    assert producer._producer is not None
    connections = list(producer._producer.client._conns.values())
    monkeypatch.setattr(putting, "put", finds_no_room)
    sent = await producer.send_each([(number, message(number)) for number in range(2)], within_seconds=3)
    assert sent.missed == [0]
    assert all(connection.connected() for connection in connections)
