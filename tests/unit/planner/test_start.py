"""Whether a webhook starts a job, and with what."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from services.planner.start.decide import Passed, Started, Unusable, start
from shared.events.webhooks import WebhookReceived
from shared.ids import new_id
from shared.specification import evaluation
from shared.specification.hook import Start

BODY = {"action": "changed", "order": {"id": 7, "paid": True, "lines": []}}


def webhook(body: Any = BODY) -> WebhookReceived:
    headers = {"x-region": "eu"}
    return WebhookReceived(webhook_id=new_id(), hook="acme", headers=headers, body=body, received_at=datetime.now(UTC))


def wanted(when: str | None = None, **parameters: str) -> Start:
    return Start(source="orders", parameters=parameters, when=when)


def test_parameters_are_found_in_body_and_headers_with_their_types() -> None:
    found = start(wanted(id="body.order.id", paid="body.order.paid", region='headers."x-region"'), webhook())
    assert found == Started({"source": "orders", "parameters": {"id": 7, "paid": True, "region": "eu"}})


@pytest.mark.parametrize("when", ["body.action == 'deleted'", "body.nothing", "body.order.lines"])
def test_only_what_it_is_for_starts_a_job(when: str) -> None:
    assert start(wanted(when, id="body.nothing"), webhook()) == Passed()
    assert isinstance(start(wanted(f"!({when})"), webhook()), Started)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("body.order.number", "parameter id: expected a text, number or boolean at body.order.number, found nothing"),
        ("body.order", "parameter id: expected a text, number or boolean at body.order, found an object"),
        ("body.order.lines", "parameter id: expected a text, number or boolean at body.order.lines, found a list"),
        (
            "to_number('nan')",
            "parameter id: expected a text, number or boolean at to_number('nan'), found no finite number",
        ),
        ("abs(body.action)", "abs(body.action): abs() cannot take a value of type string"),
    ],
)
def test_what_is_not_there_is_told(expression: str, problem: str) -> None:
    found = start(wanted(id=expression), webhook())
    assert isinstance(found, Unusable)
    assert found.problem.startswith(problem)


def test_the_expressions_of_a_hook_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred of them, each of which takes a second, would take longer than a transaction may."""
    monkeypatch.setattr(evaluation, "MOST_STEPS", 10_000)
    some, many = [{f"p{n}": "length(body[?a])" for n in range(count)} for count in (5, 100)]
    items = webhook([{}] * 1_000)
    assert isinstance(start(wanted("body[?a] == `[]`", **some), items), Started)
    assert start(wanted(**many), items) == Unusable("length(body[?a]): it takes more than 10000 steps")


def test_json_is_read_whatever_type_its_sender_gave_it() -> None:
    untyped = webhook(None).model_copy(update={"raw": base64.b64encode(orjson.dumps(BODY)).decode()})
    found = start(wanted("body.action == 'changed'", id="body.order.id"), untyped)
    assert found == Started({"source": "orders", "parameters": {"id": 7}})


@pytest.mark.parametrize("raw", ["", "YT0x", "/////w==", "no base64"])
def test_what_is_no_json_is_null_and_no_defect(raw: str) -> None:
    assert start(wanted("body"), webhook(None).model_copy(update={"raw": raw})) == Passed()


def test_a_body_that_is_no_json_is_null() -> None:
    assert start(wanted("body.action"), webhook(None)) == Passed()
    assert isinstance(start(wanted(id="body.order.id"), webhook("text")), Unusable)
