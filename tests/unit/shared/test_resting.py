"""Partitions that took nothing rest, are asked again, and are trusted as soon as they take something."""

from shared.messaging.resting import Resting

ONE, OTHER = ("jobs.control", 0), ("jobs.control", 1)


def test_a_partition_rests_for_a_while_and_is_in_doubt_until_it_takes_something() -> None:
    resting = Resting()
    assert resting.is_empty
    resting.rest([ONE], 100.0)
    assert (resting.rests(ONE, 104.9), resting.rests(ONE, 105.0)) == (True, False)
    assert resting.is_in_doubt(ONE)
    assert not (resting.rests(OTHER, 100.0) or resting.is_in_doubt(OTHER))
    resting.trust([ONE, OTHER])
    assert resting.is_empty
