"""Derived ids: always the same, never two alike, and in the order of what they are derived from."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import derived_id, new_id

PARTS = st.lists(st.text(max_size=40) | st.integers() | st.uuids(), min_size=1, max_size=4)


@given(PARTS)
def test_the_same_parts_give_the_same_id(parts: list[object]) -> None:
    assert derived_id(*parts) == derived_id(*parts) == derived_id(*map(str, parts))


def test_what_is_derived_from_a_job_stands_with_the_job() -> None:
    first, second = sorted([new_id(), UUID(int=new_id().int + (1 << 82))])
    of_first = {derived_id("told", derived_id("task", first, number), 0) for number in range(1000)}
    of_second = {derived_id("told", derived_id("task", str(second), number), 0) for number in range(1000)}
    assert len(of_first | of_second) == 2000
    assert max(of_first) < min(of_second)
    assert {one.int >> 80 for one in of_first} == {first.int >> 80}
    assert {(one.version, one.variant) for one in of_first} == {(8, first.variant)}


@pytest.mark.parametrize("part", ["webhook", 7, uuid4(), "msg_1", "z" * 36, "0" * 14 + "7" + "-" * 21])
def test_without_a_time_it_is_a_hash(part: object) -> None:
    assert derived_id("x", part).version == 5
