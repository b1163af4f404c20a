"""When a schedule fires: arithmetic as properties, both changes of the clock by name, times that are no good."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.events.firing import read_schedule
from shared.specification import recurrence
from shared.specification.recurrence import last_time, next_time, next_times
from shared.specification.schedule import Schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START = {"start": {"source": "acme-orders"}}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"]
CRONS = ["30 2 * * *", "*/30 * * * *", "0 * * * *", "15,45 2 * * *", "0 3 * * MON", "5 0 L * *", "*/7 1-3 * * *"]
SEASONAL = ["* * * 1-9 *", "30 2 * 3 *", "*/20 2 * 10 SUN", "0 0 29 2 *"]

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))
recurring = st.one_of(
    st.builds(
        lambda cron, zone: {"cron": cron, "zone": zone}, st.sampled_from(CRONS + SEASONAL), st.sampled_from(ZONES)
    ),
    st.builds(lambda seconds: {"every": f"{seconds}s"}, st.integers(1, 10**6)),
)


def schedule(**fields: Any) -> Schedule:
    return Schedule.model_validate({**fields, **START})


def local(times: list[datetime], zone: str) -> list[str]:
    return [time.astimezone(ZoneInfo(zone)).isoformat() for time in times]


@given(recurring, moments, moments)
def test_the_next_time_is_later_and_nothing_lies_between(
    fields: dict[str, Any], after: datetime, anchor: datetime
) -> None:
    found = schedule(**fields)
    first, second = next_times(found, after, anchor, 2)
    assert after < first < second
    assert next_time(found, first - timedelta(microseconds=1), anchor) == first
    assert next_time(found, after + (first - after) / 2, anchor) == first


@given(recurring, moments, moments)
def test_the_last_time_is_the_one_that_the_next_follows(
    fields: dict[str, Any], until: datetime, anchor: datetime
) -> None:
    found = schedule(**fields)
    last = last_time(found, until, until - timedelta(days=3650), anchor)
    if last is not None:
        assert last <= until
        following = next_time(found, last, anchor)
        assert following is not None and following > until
        assert next_time(found, last - timedelta(microseconds=1), anchor) == last


def test_the_end_of_a_season_is_found_without_a_walk_through_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is one step of a walk; the loop that fires schedules would stand still for seconds."""
    steps = 0

    class Counting(CronSim):
        def __next__(self) -> datetime:
            nonlocal steps
            steps += 1
            return super().__next__()

    monkeypatch.setattr(recurrence, "CronSim", Counting)
    until = datetime(2026, 11, 22, tzinfo=UTC)
    last = last_time(schedule(cron="* * * 1-9 *"), until, until - timedelta(days=3650), until)
    assert last == datetime(2026, 9, 30, 23, 59, tzinfo=UTC)
    assert steps < 500


@given(recurring, moments, moments, moments)
def test_nothing_fires_before_the_start_or_after_the_end(
    fields: dict[str, Any], after: datetime, one: datetime, other: datetime
) -> None:
    starts, ends = sorted((one, other))
    found = schedule(**fields, starts=starts, ends=ends)
    for time in next_times(found, after, after, 3):
        assert starts <= time <= ends


def test_every_is_counted_from_its_start_or_from_the_asking() -> None:
    assert next_time(schedule(every="15m"), NOW, NOW) == NOW + timedelta(minutes=15)
    starts = NOW + timedelta(hours=1)
    found = schedule(every="15m", starts=starts)
    assert next_times(found, NOW, NOW, 2) == [starts, starts + timedelta(minutes=15)]


def test_half_past_two_in_berlin_when_it_is_left_out() -> None:
    """29 March 2026: the clock goes from 02:00 to 03:00; the first moment after the gap counts, once."""
    zone = "Europe/Berlin"
    found = schedule(cron="30 2 * * *", zone=zone)
    assert local(next_times(found, datetime(2026, 3, 28, 12, tzinfo=UTC), NOW, 2), zone) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    twice = schedule(cron="15,45 2 * * *", zone=zone)
    assert local(next_times(twice, datetime(2026, 3, 28, 12, tzinfo=UTC), NOW, 2), zone) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:15:00+02:00",
    ]


def test_half_past_two_in_berlin_when_it_comes_twice() -> None:
    """25 October 2026: the clock goes from 03:00 back to 02:00; the first of the two counts, seen from any moment."""
    zone = "Europe/Berlin"
    found = schedule(cron="30 2 * * *", zone=zone)
    first, following = "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"
    assert local(next_times(found, datetime(2026, 10, 24, 12, tzinfo=UTC), NOW, 2), zone) == [first, following]
    for minutes in range(0, 120, 5):
        after = datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(minutes=minutes)
        assert local(next_times(found, after, NOW, 1), zone) == [following]


def test_every_half_hour_is_real_half_hours_through_both_changes() -> None:
    found = schedule(cron="*/30 * * * *", zone="Europe/Berlin")
    for change in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC)):
        times = next_times(found, change, NOW, 10)
        assert [later - time for time, later in pairwise(times)] == [timedelta(minutes=30)] * 9


@pytest.mark.parametrize(("minutes", "left_out", "repeated"), [("*/30", 0, 4), ("0,30", 1, 2)])
def test_every_half_hour_of_two_oclock_when_that_is_left_out_and_when_it_comes_twice(
    minutes: str, left_out: int, repeated: int
) -> None:
    found = schedule(cron=f"{minutes} 2 * * *", zone="Europe/Berlin")
    for change, count in (
        (datetime(2026, 3, 28, 12, tzinfo=UTC), left_out),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), repeated),
    ):
        times = next_times(found, change, NOW, 5)
        assert len([time for time in times if time < change + timedelta(days=1)]) == count


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"triggerAt": "2025-12-31T23:59:59Z"}, "/triggerAt"),
        ({"triggerAt": "2026-12-24T18:00:00"}, "/triggerAt"),
        ({"triggerAt": "2026-02-30T10:00:00Z"}, "/triggerAt"),
        ({"triggerAt": "2026-12-31T23:59:60Z"}, "/triggerAt"),
        ({"triggerAt": "9999-01-01T00:00:00Z"}, "/triggerAt"),
        ({"triggerAt": "tomorrow"}, "/triggerAt"),
        ({"triggerAt": "2026-12-24"}, "/triggerAt"),
        ({"triggerAt": "20261224T180000Z"}, "/triggerAt"),
        ({"triggerAt": "2026-W52-4T18:00:00Z"}, "/triggerAt"),
        ({"triggerAt": "2026-12-24T18:00:00.Z"}, "/triggerAt"),
        ({"triggerAt": 1800000000}, "/triggerAt"),
        ({"triggerAt": "1800000000"}, "/triggerAt"),
        ({"triggerAt": 1e20}, "/triggerAt"),
        ({"cron": "0 0 31 2 *"}, "/cron"),
        ({"cron": "61 * * * *"}, "/cron"),
        ({"cron": "* * * * * *"}, "/cron"),
        ({"cron": "@reboot"}, "/cron"),
        ({"cron": "0 " * 5000}, "/cron"),
        ({"cron": "0 3 * * *", "zone": "Mars/X"}, "/zone"),
        ({"cron": "0 3 * * *", "zone": "../../etc/passwd"}, "/zone"),
        ({"cron": "0 3 * * *", "zone": "Europe"}, "/zone"),
        ({"cron": "0 3 * * *", "starts": "2027-01-02T00:00:00Z", "ends": "2027-01-01T00:00:00Z"}, "/ends"),
        ({"cron": "0 3 * * *", "ends": "2026-01-01T02:00:00Z"}, "/ends"),
        ({"cron": "0 3 * * *", "starts": "9000-01-01T00:00:00Z"}, "/starts"),
        ({"cron": "0 3 * * *", "zone": "Asia/Tokyo", "starts": "9999-12-31T23:59:59Z"}, "/starts"),
        ({"cron": "0 3 * * *", "zone": "America/New_York", "starts": "0001-01-01T00:00:00Z"}, "/starts"),
        ({"every": "1h", "starts": "9999-12-31T23:59:59-23:59"}, "/starts"),
        ({"every": "1h", "starts": "0001-01-01T00:00:00+23:59"}, "/starts"),
        ({"every": "1h", "ends": "2026-01-01T00:59:59Z"}, "/ends"),
        ({"schedule": "often", "every": "1h", "ends": "2026-01-01T00:00:00Z"}, "/ends"),
        ({"every": "1h", "ends": "0001-01-01T00:00:00+23:59"}, "/ends"),
        ({"triggerAt": "0001-01-01T00:00:00+23:59", "past": "run"}, "/triggerAt"),
        ({"every": "9" * 40 + "d"}, "/every"),
        ({"every": "0s"}, "/every"),
        ({"every": "500ms"}, "/every"),
        ({"every": "1h", "cron": "0 3 * * *"}, ""),
        ({}, ""),
    ],
)
def test_times_that_are_no_good_are_told_with_their_place(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_schedule({**fields, **START}, NOW)
    assert [problem.pointer for problem in caught.value.problems] == [pointer]
    assert caught.value.problems[0].detail


@pytest.mark.parametrize("zone", ["EST5EDT", "UTC", "America/Argentina/Buenos_Aires"])
def test_every_zone_of_the_database_is_known(zone: str) -> None:
    assert read_schedule({"cron": "0 3 29 2 *", "zone": zone, **START}, NOW)


def test_a_moment_keeps_its_microseconds_whatever_its_offset() -> None:
    found = read_schedule({"triggerAt": "2026-12-24T23:45:00.123456+05:45", **START}, NOW)
    assert next_time(found, NOW, NOW) == datetime(2026, 12, 24, 18, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("time", ["18:00:00.123456789Z", "19:00:00.123456+0100", "18:00:00.1234569999999999999999z"])
def test_a_moment_is_cut_to_the_microsecond(time: str) -> None:
    found = read_schedule({"triggerAt": f"2026-12-24T{time}", **START}, NOW)
    assert next_time(found, NOW, NOW) == datetime(2026, 12, 24, 18, 0, 0, 123_456, tzinfo=UTC)


def test_an_end_may_be_as_far_as_the_calendar_goes() -> None:
    found = read_schedule({"every": "1h", "ends": "9999-12-31T23:59:59-23:59", **START}, NOW)
    assert next_times(found, NOW, NOW, 2) == [NOW + timedelta(hours=1), NOW + timedelta(hours=2)]


def test_a_past_moment_may_be_asked_to_run() -> None:
    assert read_schedule({"triggerAt": "2025-12-31T23:59:59Z", "past": "run", **START}, NOW)
