"""What the expressions of a hook find in a webhook, and how long that may take."""

from typing import Any

import orjson
import pytest

from services.callback_gateway.verify.verdict import Verified
from services.callback_gateway.webhooks.decide import Received, Unfit, Webhook, is_quick, read_webhook
from shared.ids import new_id
from shared.runtime.clock import utc_now
from shared.specification import evaluation
from shared.specification.hook import Acknowledgement, Hook

KIB = 1024


def hook(id: str | None = None, *fields: str) -> Hook:
    named = {f"f{number}": expression for number, expression in enumerate(fields)}
    return Hook(hook="acme", id=id, answer=Acknowledgement(fields=named))


def read(of: Hook, body: Any) -> Webhook:
    return read_webhook(of, Verified(), Received({}, orjson.dumps(body), utc_now()), new_id())


def test_the_expressions_of_a_hook_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_STEPS", 10_000)
    counted = "length(body[?a])"
    found = read(hook("to_string(length(body[?a]))", *[counted] * 20), [{}] * 1_000).answer_fields
    assert list(found.values())[:5] == [0] * 5
    assert list(found.values())[-5:] == [None] * 5
    with pytest.raises(Unfit, match="it takes more than 10000 steps"):
        read(hook(f"to_string([{', '.join([counted] * 20)}])"), [{}] * 1_000)


@pytest.mark.parametrize(
    ("expression", "size", "quick"),
    [
        (None, 1024 * KIB, True),
        ("body.order.id", 1024 * KIB, True),
        ('headers."x-id" || body.id', 16 * KIB, True),
        ("body.orders[?kind == 'paid'].id | [0]", 2 * KIB, True),
        ("body.orders[?kind == 'paid'].id | [0]", 64 * KIB, False),
        ("max_by(body.orders, &id).id", 64 * KIB, False),
        (f"body[?{' || '.join(['a'] * 60)}] | [0].id", 2 * KIB, False),
        ("body | [@, @, @, @, @] | [@, @, @, @, @] | [0]", 64 * KIB, False),
    ],
)
def test_what_may_take_long_is_known_before(expression: str | None, size: int, quick: bool) -> None:
    assert is_quick(hook(expression), size) is quick
    assert is_quick(hook(None, *([] if expression is None else [expression])), size) is quick
