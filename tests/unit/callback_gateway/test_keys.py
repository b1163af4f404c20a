"""API keys and the scopes that requests need."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.callback_gateway.http.access import AREAS, is_local, needed_scopes
from services.callback_gateway.keys.key import SCOPES, id_in, is_same, make_key
from services.callback_gateway.keys.pace import Pace
from services.fetcher.call.request import HttpRequest, build_request, redirected
from shared.events.tasks import Call
from shared.specification.vendor import Vendor


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
        ("PUT", "/vendors/acme", ("config:write",)),
        ("PUT", "/hooks/acme", ("config:write", "jobs:write")),
        ("PUT", "/hooks/", ("config:write", "jobs:write")),
        ("DELETE", "/hooks/acme", ("config:write",)),
        ("GET", "/hooks/acme", ("config:read",)),
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
    assert _is_local(client, headers) is local
    assert _is_local(None, headers) is False


def _is_local(client: str | None, headers: dict[str, str]) -> bool:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return is_local({"type": "http", "client": client and (client, 1), "headers": raw})


@pytest.mark.parametrize("auth", [None, {"type": "header", "name": "Sluice-Job", "value": "env:T"}])
def test_what_a_vendors_contract_makes_us_call_is_not_this_machine(auth: dict[str, str] | None) -> None:
    """Else whoever may write a vendor could do through the fetcher what a key is needed for."""
    network = {"private_addresses": "allow", "redirects": "follow"}
    document = {"vendor": "x", "base_url": "http://127.0.0.2:8080", "network": network, "auth": auth}
    vendor, asked = Vendor.model_validate(document), {"Sluice-Job": "", "Sec-Fetch-Site": "none"}
    first = build_request(Call(method="POST", path="/jobs", headers=asked), vendor, {"env:T": "s3cret"}, UUID(int=7))
    assert isinstance(first, HttpRequest)
    second = redirected(first, 307, "http://127.0.0.1:8080/jobs", vendor)
    assert isinstance(second, HttpRequest)
    for request in (first, second):
        assert not _is_local("127.0.0.1", {"host": "127.0.0.1:8080", **request.headers})


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
