"""For what the watchdog ends a process, and for what it does not."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.runtime import watchdog
from shared.runtime.health import Heartbeat
from shared.runtime.watchdog import IDLE_WITH_LAG_SECONDS, REJOIN_SECONDS, STUCK_SECONDS, Watchdog
from tests.support.eventually import wait_until

HEALTHY: dict[str, Any] = {
    "group": "sluice.planner.control",
    "topic": "jobs.control",
    "lag": 0,
    "batches": 0,
    "waiting": False,
    "circuit_open": False,
    "failing": [],
    "unreadable": [],
    "denied": "",
    "polling": True,
    "coordinating": True,
    "connected": True,
    "rejoining": False,
    "contested": False,
}


class Watched:
    """Consumers whose states a test sets, and a clock that it moves."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = [{**HEALTHY, **state} for state in states]
        self.ended: list[str] = []
        self.now = 1000.0
        self.dog = Watchdog(Heartbeat(), lambda: self.states, end=self.ended.append, clock=lambda: self.now)
        self.dog.stop()

    def after(self, seconds: float) -> list[str]:
        """Why the process was ended when all stayed as it is for that long."""
        self.dog.check()
        self.dog.check()
        self.now += seconds
        self.dog.check()
        return self.ended


@pytest.mark.parametrize(
    ("state", "limit_seconds", "why"),
    [
        ({"polling": False}, STUCK_SECONDS, "does not poll"),
        ({"coordinating": False}, STUCK_SECONDS, "does not poll"),
        ({"rejoining": True}, REJOIN_SECONDS, "does not come back"),
        ({"lag": 5}, IDLE_WITH_LAG_SECONDS, "makes no progress"),
    ],
)
def test_a_fault_that_lasts_ends_the_process_and_one_that_does_not_is_left_alone(
    state: dict[str, Any], limit_seconds: float, why: str
) -> None:
    assert not Watched(state).after(limit_seconds - 1)
    [told] = Watched(state).after(limit_seconds + 1)
    assert why in told


def test_a_fault_that_comes_and_goes_is_timed_from_its_last_beginning() -> None:
    watched = Watched({"rejoining": True})
    watched.after(REJOIN_SECONDS - 1)
    watched.states[0]["rejoining"] = False
    watched.after(1)
    watched.states[0]["rejoining"] = True
    assert not watched.after(REJOIN_SECONDS - 1)


def test_two_processes_with_one_name_end_at_once() -> None:
    [told] = set(Watched({"contested": True}).after(0))
    assert "replica" in told


@pytest.mark.parametrize(
    "excuse",
    [
        {"waiting": True},
        {"circuit_open": True},
        {"failing": ["jobs.control 0: KeyError"]},
        {"unreadable": ["jobs.control 0 7"]},
        {"denied": "jobs.control"},
    ],
)
def test_a_consumer_that_stands_still_for_a_reason_it_shows_is_left_alone(excuse: dict[str, Any]) -> None:
    assert not Watched({"lag": 5, **excuse}).after(IDLE_WITH_LAG_SECONDS * 2)


def test_two_members_of_a_group_are_watched_apart_and_shown_together() -> None:
    """The healthy one must not hide what is wrong with the other."""
    watched = Watched({"lag": 3, "unreadable": ["jobs.control 1 7"]}, {"lag": 4, "polling": False, "connected": False})
    [told] = watched.after(STUCK_SECONDS + 1)
    assert "control 1 does not poll" in told
    labels = {"group": HEALTHY["group"]}
    assert REGISTRY.get_sample_value("sluice_consumer_unreadable_partitions", labels) == 1
    assert REGISTRY.get_sample_value("sluice_consumer_cut_off", labels) == 1
    assert REGISTRY.get_sample_value("sluice_consumer_lag_records", {**labels, "topic": "jobs.control"}) == 7


def test_a_consumer_without_access_is_shown_as_cut_off() -> None:
    Watched({"denied": "jobs.control"}).after(0)
    assert REGISTRY.get_sample_value("sluice_consumer_cut_off", {"group": HEALTHY["group"]}) == 1


def test_an_event_loop_that_is_blocked_for_good_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from a thread: the loop itself can tell nobody."""
    monkeypatch.setattr(watchdog, "_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(watchdog, "BLOCKED_SECONDS", 0.05)
    ended: list[str] = []
    dog = Watchdog(Heartbeat(), list, end=ended.append)
    assert wait_until(lambda: ended)[0] == "the event loop is blocked"
    dog.stop()
