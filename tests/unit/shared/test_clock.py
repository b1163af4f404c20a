"""The database's time, carried on by a clock of the machine."""

import time

import pytest

from shared.runtime.clock import DatabaseClock

NOW = 1_700_000_000_000_000
HOUR_SECONDS = 3600


def test_the_databases_time_goes_on_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """In that time the monotonic clock of Linux stands still."""
    clock, awake = DatabaseClock(), time.clock_gettime
    clock.read(NOW)
    monkeypatch.setattr(time, "clock_gettime", lambda which: awake(which) + HOUR_SECONDS)
    assert clock.now() >= NOW + HOUR_SECONDS * 1_000_000
    assert clock.seconds_until(NOW) <= -HOUR_SECONDS


def test_of_many_readings_the_one_that_was_fastest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DatabaseClock()
    for way_seconds in (2, 1, 3):
        with monkeypatch.context() as slow:
            slow.setattr(time, "clock_gettime", lambda which, way=way_seconds: 100.0 + way)
            clock.read(NOW)
    monkeypatch.setattr(time, "clock_gettime", lambda which: 101.0)
    assert clock.now() == NOW
