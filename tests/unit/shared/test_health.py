"""The server of health and metrics."""

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shared.runtime.health import HealthServer, Heartbeat
from tests.support.eventually import wait_until

CROWD = 100
"""More connections than are answered at once."""


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


@pytest.fixture
def server() -> Iterator[HealthServer]:
    made = HealthServer("127.0.0.1", 0, Heartbeat(), lambda: {"problems": []}, silent_seconds=0.5)
    yield made
    closing = threading.Thread(target=made.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()


def silent(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def healthy(server: HealthServer) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=30) as answer:
        return bool(answer.status == 200)


def test_a_connection_that_says_nothing_hinders_no_other_and_no_end(server: HealthServer) -> None:
    with silent(server):
        assert healthy(server)
        server.close()


def test_a_connection_that_says_nothing_is_hung_up_on(server: HealthServer) -> None:
    with silent(server) as connection:
        assert connection.recv(1) == b""


def test_a_crowd_that_says_nothing_is_sent_away_soon(server: HealthServer) -> None:
    with ExitStack() as crowd:
        for _ in range(CROWD):
            crowd.enter_context(silent(server))
        assert threading.active_count() < CROWD
        wait_until(lambda: healthy(server))
