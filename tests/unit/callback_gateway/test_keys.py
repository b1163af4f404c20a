"""API keys and the scopes that requests need."""

from typing import Any

import pytest

from services.callback_gateway.http.access import AREAS, is_local, needed_scope
from services.callback_gateway.keys.key import SCOPES, id_in, is_same, make_key


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
    ("method", "path", "scope"),
    [
        ("POST", "/jobs", "jobs:write"),
        ("GET", "/jobs/1/events", "jobs:read"),
        ("HEAD", "/vendors", "config:read"),
        ("PUT", "/hooks/acme", "config:write"),
        ("POST", "/dead-letters/1/redrive", "dead-letters:write"),
        ("POST", "/in/acme", None),
        ("POST", "/callbacks/token", None),
        ("GET", "/openapi.json", None),
        ("GET", "//in/acme", ""),
        ("GET", "/", ""),
        ("GET", "/inside", ""),
    ],
)
def test_scopes_of_requests(method: str, path: str, scope: str | None) -> None:
    assert needed_scope(method, path) == scope


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
        ("/run/socket", {"host": "localhost"}, False),
    ],
)
def test_what_comes_from_this_machine(client: str, headers: dict[str, str], local: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "client": (client, 1), "headers": raw}
    assert is_local(scope) is local
    assert is_local({**scope, "client": None}) is False
