"""Slots for requests that stay long: no key takes them all."""

from contextlib import ExitStack

from services.callback_gateway.http.slots import Slots


def taken(slots: Slots, held: ExitStack, key: str | None) -> int:
    """How many slots a key gets that takes all it can."""
    count = 0
    while slots.is_free(key):
        held.enter_context(slots.hold(key))
        count += 1
    return count


def test_each_key_leaves_some_to_the_next() -> None:
    slots = Slots(100)
    with ExitStack() as held:
        assert [taken(slots, held, key) for key in ("a", "b", "c", None)] == [50, 25, 13, 12]
    assert taken(slots, ExitStack(), "b") == 50


def test_without_keys_all_may_be_taken() -> None:
    assert taken(Slots(3), ExitStack(), None) == 3
    assert not Slots(0).is_free("a")
