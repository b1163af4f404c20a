"""What the README says is not there yet: refused by its name, not taken and forgotten."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.specification.schedule import Schedule
from tests.unit.shared.test_mistakes import VENDOR, told, told_of_source


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        *(("auth", {"type": kind}, "/auth/type") for kind in ("oauth2", "session", "hmac", "mtls")),
        ("budget", {"urgent_share": "10%"}, "/budget/urgent_share"),
        ("budget", {"cost": {"per_request": 0.002, "currency": "EUR", "cap": 150, "per": "30d"}}, "/budget/cost"),
    ],
)
def test_what_a_vendor_cannot_have_yet_is_refused_by_name(field: str, value: object, pointer: str) -> None:
    [(where, what)] = told(VENDOR, {"vendor": "acme", "base_url": "https://a.example", field: value})
    assert where == pointer
    assert "not there yet" in what


OVER = {"style": "list", "over": {"source": "acme-customers", "field": "id", "as": "customer"}}


@pytest.mark.parametrize(
    ("poll", "more", "pointer"),
    [
        ({"pages": {"style": "window"}}, {}, "/poll/pages/style"),
        ({"pages": "list"}, {}, "/poll/pages"),
        ({"pages": OVER}, {}, "/poll/pages/style"),
        ({"request": {"path": "/customers/{customer}"}, "pages": OVER}, {}, "/poll/pages/style"),
        ({"request": {"path": "/{a}"}, "pages": {"style": "none", "over": {"as": "a"}}}, {}, "/poll/pages/over"),
        ({"pages": {"style": "offset", "then": {"style": "offset"}}}, {}, "/poll/pages/then"),
        ({"records": {"schema": "./order.schema.json"}}, {}, "/poll/records/schema"),
        ({"incremental": {"cursor": "updated_at", "into": {"query": "since"}}}, {}, "/poll/incremental"),
        ({"changes": True}, {}, "/poll/changes"),
        ({}, {"sinks": [{"type": "files", "format": "parquet"}]}, "/sinks/0/type"),
    ],
)
def test_what_a_source_cannot_do_yet_is_refused_by_name(
    poll: dict[str, Any], more: dict[str, Any], pointer: str
) -> None:
    [(where, what)] = told_of_source({"source": "orders", "vendor": "acme", "poll": poll, **more})
    assert where == pointer
    assert "not there yet" in what


@pytest.mark.parametrize(
    ("field", "value"), [("overlap", "buffer_one"), ("overlap", "cancel_other"), ("jitter", "1m"), ("backfill", {})]
)
def test_what_a_schedule_cannot_do_yet_is_refused_by_name(field: str, value: object) -> None:
    document = {"cron": "0 3 * * *", "start": {"source": "orders"}, field: value}
    [(where, what)] = told(TypeAdapter(Schedule), document)
    assert where == f"/{field}"
    assert "not there yet" in what


def test_what_is_to_come_elsewhere_is_an_unknown_field_here() -> None:
    document = {"source": "orders", "vendor": "acme", "poll": {}, "jitter": "1m"}
    [(where, what)] = told_of_source(document)
    assert (where, what[:13]) == ("/jitter", "unknown field")
