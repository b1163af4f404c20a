"""The server of health and metrics."""

import socket

import pytest

from shared.runtime.health import HealthServer, Heartbeat


def test_it_starts_without_a_look_up_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts on the event loop, and DNS may take its time."""

    def look_up(name: str = "") -> str:
        raise AssertionError(f"{name} was looked up")

    monkeypatch.setattr(socket, "getfqdn", look_up)
    server = HealthServer("127.0.0.1", 0, Heartbeat(), lambda: {"problems": []})
    try:
        assert server.port > 0
    finally:
        server.close()
