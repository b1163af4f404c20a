"""`sluice dead-letters`: what it asks the gateway for, and what it refuses to ask."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from services.callback_gateway.redrive.model import RedriveOrder
from tests.unit.client import answers
from tests.unit.client.answers import AT, JOB_ID
from tests.unit.client.test_cli import Gateway, sluice
from tests.unit.client.test_cli import gateway as gateway  # noqa: PLC0414 - the fixture

DONE = {"count": 2, "held": 1, "ids": [str(JOB_ID)], "dry_run": False}


def letter(**more: Any) -> dict[str, Any]:
    return {
        "id": str(JOB_ID),
        "service": "fetcher",
        "topic": "sluice.fetch.requested",
        "reason": "bug",
        "error": "[red]it broke",
        "delivery": 0,
        "at": AT,
        "job_id": str(JOB_ID),
        "task_id": None,
        "state": "discarded",
        "redrives": 2,
        "note": "a test",
        "changed_at": AT,
        **more,
    }


@pytest.fixture
def letters(gateway: Gateway) -> Gateway:
    """A gateway with one dead letter."""
    original = {"topic": "t", "partition": 1, "offset": 7, "key": "k", "value": "{}", "headers": [["x", "y"]]}
    gateway.says("GET /dead-letters", 200, {"dead_letters": [letter()], "next": None})
    gateway.says(f"GET /dead-letters/{JOB_ID}", 200, letter(history=["once"], original=original))
    for action in ("redrive", "discard"):
        gateway.says(f"POST /dead-letters/{action}", 202, DONE)
        gateway.says(f"POST /dead-letters/{JOB_ID}/{action}", 202, {**DONE, "count": 1, "held": 0})
    return gateway


def test_letters_are_listed_and_shown(letters: Gateway) -> None:
    for command in (("dead-letters",), ("dead-letters", "list", "--state", "discarded")):
        text = sluice(letters, *command).stdout
        assert all(part in text for part in (str(JOB_ID), "discarded", "[red]it broke"))
    assert orjson.loads(sluice(letters, "dead-letters", "--json").stdout)[0]["redrives"] == 2
    text = sluice(letters, "dead-letters", "show", str(JOB_ID)).stdout
    assert all(part in text for part in ("a test", "t, partition 1, offset 7", "x: y", "once"))


def test_letters_are_redriven_by_filter(letters: Gateway) -> None:
    arguments = ("--reason", "bug", "--from", AT, "--topic", "fetch.requested", "--rate", "5")
    told = sluice(letters, "dead-letters", "redrive", *arguments).stdout
    assert told.startswith("redriven: 2; 1 held back")
    assert told.strip().endswith("configuration (to be applied again), or without their messages")
    wanted = {"reason": "bug", "from": AT, "topic": "fetch.requested"}
    order = {"filter": wanted, "dry_run": False, "rate": 5.0, "force": False}
    assert letters.seen[-1] == ("POST /dead-letters/redrive", order)
    letters.says("POST /dead-letters/redrive", 200, {**DONE, "dry_run": True})
    told = sluice(letters, "dead-letters", "redrive", "--all", "--dry-run").stdout
    assert told.splitlines()[0].startswith("would be redriven: 2")
    assert str(JOB_ID) in told
    assert letters.seen[-1][1]["filter"] == {}


@pytest.mark.parametrize("rate", [0.005, 0.01, 1000, 1001])
def test_a_rate_is_taken_where_the_gateway_takes_it(letters: Gateway, rate: float) -> None:
    try:
        RedriveOrder.model_validate({"filter": {}, "rate": rate})
    except ValidationError:
        expected = 2
    else:
        expected = 0
    assert sluice(letters, "dead-letters", "redrive", "--all", "--rate", str(rate)).exit_code == expected


def test_a_letter_is_redriven_or_discarded(letters: Gateway) -> None:
    assert sluice(letters, "dead-letters", "redrive", str(JOB_ID)).stdout == "redriven: 1\n"
    assert sluice(letters, "dead-letters", "discard", str(JOB_ID), "--why", "old").stdout == "discarded: 1\n"
    assert letters.seen[-1] == (f"POST /dead-letters/{JOB_ID}/discard", {"reason": "old"})
    assert sluice(letters, "dead-letters", "discard", str(JOB_ID), "--reason", "older").stdout == "discarded: 1\n"
    assert letters.seen[-1] == (f"POST /dead-letters/{JOB_ID}/discard", {"reason": "older"})
    sluice(letters, "dead-letters", "discard", "--service", "planner", "--why", "old")
    assert letters.seen[-1][1] == {"filter": {"service": "planner"}, "reason": "old", "dry_run": False}


@pytest.mark.parametrize(
    "arguments",
    [
        ("redrive",),
        ("discard", "--why", "x"),
        ("discard", "--reason", "bug"),
        ("discard", str(JOB_ID), "--why", "x", "--reason", "bug"),
        ("redrive", "1", "--all"),
        ("redrive", "1", "--dry-run"),
        ("discard", "1"),
    ],
)
def test_a_forgotten_option_never_means_everything(letters: Gateway, arguments: tuple[str, ...]) -> None:
    assert sluice(letters, "dead-letters", *arguments).exit_code == 2
    assert not letters.seen


def test_a_refusal_is_told(letters: Gateway) -> None:
    letters.says(f"POST /dead-letters/{JOB_ID}/redrive", 409, answers.problem(409, "it came back 3 times"))
    result = sluice(letters, "dead-letters", "redrive", str(JOB_ID))
    assert (result.exit_code, result.stderr) == (2, "it came back 3 times\n")
