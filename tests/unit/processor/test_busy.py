"""Which tables are taken for busy, and for how long."""

from prometheus_client import REGISTRY

from services.processor.sinks.busy import LOOK_AGAIN_SECONDS, BusyTables


def test_all_busy_tables_are_looked_at_again_a_while_after_the_last_one_was_found() -> None:
    """So a batch for very many of them does not find the first one again before it has found the last."""
    now = 0.0
    busy = BusyTables(lambda: now)
    for number in range(100):
        now += 3.0
        busy.add(f"table_{number}")
    assert busy.has_any(["free", "table_0"])
    assert not busy.has_any(["free"])
    assert REGISTRY.get_sample_value("sluice_tables_busy") == 100
    now += LOOK_AGAIN_SECONDS
    assert not busy.has_any(["table_0", "table_99"])
    assert REGISTRY.get_sample_value("sluice_tables_busy") == 0
