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


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since boot, which the test counts."""
    seconds = [1000.0]
    monkeypatch.setattr(time, "clock_gettime", lambda which: seconds[0])
    return seconds


def error_of(clock: DatabaseClock, boot: list[float], began: float) -> float:
    """How many seconds a clock is behind the database, which showed `NOW` at `began`."""
    return (boot[0] - began) - (clock.now() - NOW) / 1_000_000


def test_a_busy_second_in_which_every_reading_is_late_moves_no_permit(boot: list[float]) -> None:
    """What left then would count as earlier than it was, and what leaves after it would come too soon."""
    clock, began = DatabaseClock(), boot[0]
    clock.read(NOW)
    for _ in range(100):
        boot[0] += 0.01
        asked = NOW + round((boot[0] - began) * 1_000_000)
        boot[0] += 0.05
        clock.read(asked)
        assert error_of(clock, boot, began) == pytest.approx(0, abs=1e-5)


def test_a_database_that_puts_its_clock_back_is_followed_within_40_seconds(boot: list[float]) -> None:
    clock, began = DatabaseClock(), boot[0]
    clock.read(NOW)
    for _ in range(5):
        boot[0] += 10
        clock.read(NOW + round((boot[0] - began - 7) * 1_000_000))
    assert error_of(clock, boot, began) == pytest.approx(7, abs=1e-5)


def test_readings_from_before_a_long_silence_count_no_more(boot: list[float]) -> None:
    """The two clocks may have gone apart meanwhile."""
    clock, began = DatabaseClock(), boot[0]
    clock.read(NOW)
    boot[0] += HOUR_SECONDS
    clock.read(NOW + round((boot[0] - began - 1) * 1_000_000))
    assert error_of(clock, boot, began) == pytest.approx(1, abs=1e-5)
