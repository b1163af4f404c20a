"""When a consumer stands still: after a run of failures, or if most of its last events failed."""

from datetime import UTC, datetime

from shared.events.envelope import Incoming, Position, Record
from shared.ids import new_id
from shared.messaging.circuit import Circuit

RUN, LAST = 5, 20


def at(offset: int, partition: int = 0) -> Position:
    return Position("t", partition, offset)


def handled(offset: int, *, delivery: int = 0) -> Incoming[object]:
    record = Record(at(offset), None, None, (), datetime(2026, 1, 1, tzinfo=UTC))
    return Incoming(object(), new_id(), delivery, record)


def test_it_opens_above_a_run_of_failures_of_any_delivery() -> None:
    circuit = Circuit(RUN, LAST)
    assert [circuit.refused(at(offset), repeats=offset % 2) for offset in range(RUN + 1)] == [False] * RUN + [True]


def test_an_event_that_is_handled_ends_the_run() -> None:
    circuit = Circuit(RUN, LAST)
    for start in range(0, 100, 10):
        assert not any(circuit.refused(at(start + one), repeats=1) for one in range(RUN))
        circuit.passed(handled(start + 9))


def test_it_opens_above_half_of_the_last_events_though_none_fail_in_a_row() -> None:
    circuit, opened = Circuit(RUN, LAST), list[bool]()
    for offset in range(0, 3 * LAST, 3):
        opened += [circuit.refused(at(offset), 0), circuit.refused(at(offset + 1), 0)]
        circuit.passed(handled(offset + 2))
    assert opened.index(True) == LAST // 2
    assert all(opened[LAST // 2 :])


def test_half_of_the_events_may_fail_for_any_time() -> None:
    circuit = Circuit(RUN, LAST)
    for offset in range(0, 2000, 2):
        assert not circuit.refused(at(offset), 0)
        circuit.passed(handled(offset + 1))


def test_an_event_of_which_each_delivery_fails_is_one_of_the_last_events() -> None:
    circuit = Circuit(RUN, LAST)
    for offset in range(0, 2000, 8):
        assert not any(circuit.refused(at(offset + repeats), repeats) for repeats in range(RUN))
        for good in range(5, 8):
            circuit.passed(handled(offset + good))


def test_an_event_that_comes_again_counts_once_and_each_partition_for_itself() -> None:
    circuit = Circuit(RUN, LAST)
    for _ in range(10 * LAST):
        assert not any(circuit.refused(at(offset, partition), 0) for offset in range(RUN) for partition in range(9))
