"""A key's partition is Kafka's own choice, so that producers in any language agree on it."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as some

from shared.messaging.putting import partition_of


@given(some.binary(max_size=80), some.integers(min_value=1, max_value=50))
def test_partitions_are_those_of_the_default_partitioner(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, partitions, partitions)
