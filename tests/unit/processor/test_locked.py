"""Which tables are taken for locked, and for how long."""

from services.processor.sinks.locked import LOOK_AGAIN_SECONDS, LockedTables


def test_all_locked_tables_are_looked_at_again_a_while_after_the_last_one_was_found() -> None:
    """So a batch for very many of them does not find the first one again before it has found the last."""
    now = 0.0
    locked = LockedTables(lambda: now)
    for number in range(100):
        now += 3.0
        locked.add(f"table_{number}")
    assert locked.has_any(["free", "table_0"])
    assert not locked.has_any(["free"])
    now += LOOK_AGAIN_SECONDS
    assert not locked.has_any(["table_0", "table_99"])
