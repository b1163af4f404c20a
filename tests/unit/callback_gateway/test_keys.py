"""API keys and the scopes that requests need."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.http.access import AREAS, is_local, needed_scopes
from services.callback_gateway.keys.key import SCOPES, id_in, is_same, make_key
from services.callback_gateway.keys.pace import Pace


def test_a_key_is_known_by_its_text_alone() -> None:
    text, key = make_key("ci", frozenset({"jobs:read"}), lambda size: bytes(range(size)))
    assert id_in(text) == key.id
    assert is_same(text, key)
    assert not is_same(text[:-1] + "0", key)
    assert text.rsplit("_", 1)[1] not in repr(key)


@pytest.mark.parametrize("text", ["", "sluice_", "sluice_é_x", "sluice_000102030405_" + "0" * 63, "x" * 10_000])
def test_other_texts_are_no_keys(text: str) -> None:
    assert id_in(text) is None


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", "/jobs", ("jobs:write",)),
        ("GET", "/jobs/1/events", ("jobs:read",)),
        ("HEAD", "/vendors", ("config:read",)),
        ("PUT", "/hooks/acme", ("config:write",)),
        ("POST", "/schedules", ("schedules:write", "jobs:write")),
        ("POST", "/schedules/", ("schedules:write", "jobs:write")),
        ("POST", "/schedules/nightly/trigger", ("schedules:write",)),
        ("POST", "/dead-letters/1/redrive", ("dead-letters:write",)),
        ("POST", "/in/acme", None),
        ("POST", "/callbacks/token", None),
        ("GET", "/openapi.json", None),
        ("GET", "//in/acme", ()),
        ("GET", "/", ()),
        ("GET", "/inside", ()),
    ],
)
def test_scopes_of_requests(method: str, path: str, scopes: tuple[str, ...] | None) -> None:
    assert needed_scopes(method, path) == scopes


def test_every_area_has_scopes() -> None:
    assert {f"{area}:read" for area in AREAS.values()} <= set(SCOPES)


@pytest.mark.parametrize(
    ("client", "headers", "local"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8080"}, True),
        ("::1", {"host": "[::1]:8080"}, True),
        ("::ffff:127.0.0.1", {"host": "localhost"}, True),
        ("192.168.1.7", {"host": "127.0.0.1"}, False),
        ("127.0.0.1", {"host": "evil.example:8080"}, False),
        ("127.0.0.1", {"host": "localhost.evil.example"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "192.168.1.7"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "origin": "https://evil.example"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "origin": "http://localhost:3000"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "origin": "null"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "sec-fetch-site": "cross-site"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "sec-fetch-site": "same-site"}, False),
        ("127.0.0.1", {"host": "localhost:8080", "sec-fetch-site": "none"}, True),
        (
            "127.0.0.1",
            {"host": "localhost:8080", "origin": "http://localhost:8080", "sec-fetch-site": "same-origin"},
            True,
        ),
        ("/run/socket", {"host": "localhost"}, False),
    ],
)
def test_what_comes_from_this_machine(client: str, headers: dict[str, str], local: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "client": (client, 1), "headers": raw}
    assert is_local(scope) is local
    assert is_local({**scope, "client": None}) is False


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_that_asks_too_often_is_told_when_to_come_again_and_no_other_is() -> None:
    clock = Clock()
    pace = Pace(10, 3, clock)
    assert [pace.take("a") for _ in range(3)] == [0, 0, 0]
    assert pace.take("a") == pytest.approx(0.1)
    assert pace.take("b") == 0
    clock.now += 0.11
    assert [pace.take("a") > 0 for _ in range(2)] == [False, True]
    clock.now += 60
    assert [pace.take("a") > 0 for _ in range(4)] == [False, False, False, True]


@given(st.lists(st.integers(0, 500), max_size=300), st.integers(1, 20), st.integers(1, 10))
def test_no_time_has_more_requests_than_the_pace_allows(pauses_ms: list[int], rate: int, burst: int) -> None:
    clock, taken = Clock(), list[float]()
    pace = Pace(rate, burst, clock)
    for pause in pauses_ms:
        clock.now += pause / 1000
        if pace.take("a") == 0:
            taken.append(clock.now)
    for number, first in enumerate(taken):
        for count, last in enumerate(taken[number:], 1):
            assert count <= burst + rate * (last - first) + 1e-6


def test_a_pace_of_nothing_sets_no_limit() -> None:
    pace = Pace(0, 1, Clock())
    assert all(pace.take("a") == 0 for _ in range(1000))
