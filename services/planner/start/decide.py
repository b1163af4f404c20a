"""What a webhook starts. Pure."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from shared.events.webhooks import WebhookReceived
from shared.specification.evaluation import CountedDocument
from shared.specification.expressions import NotApplicable, evaluate, holds
from shared.specification.hook import Start
from shared.specification.scalars import Scalar

_KINDS = {type(None): "nothing", dict: "an object", list: "a list", float: "no finite number"}


@dataclass(frozen=True, slots=True)
class Started:
    """A job of a source, with what was found in the webhook."""

    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Passed:
    """Not one that starts anything."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """What the hook looks for is not there."""

    problem: str


def start(wanted: Start, webhook: WebhookReceived) -> Started | Passed | Unusable:
    """Whether the webhook starts a job, and with which parameters. A body that is no JSON is null to expressions, which
    are bounded together: each of a hundred may take a second."""
    found = CountedDocument({"body": webhook.content, "headers": webhook.headers})
    try:
        if wanted.when is not None and not holds(wanted.when, found):
            return Passed()
        values = {name: evaluate(expression, found) for name, expression in wanted.parameters.items()}
    except NotApplicable as error:
        return Unusable(str(error))
    for name, value in values.items():
        if not _is_scalar(value):
            kind = _KINDS.get(type(value), "something else")
            expected = f"expected a text, number or boolean at {wanted.parameters[name]}"
            return Unusable(f"parameter {name}: {expected}, found {kind}")
    return Started({"source": wanted.source, "parameters": values})


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Scalar) and not (isinstance(value, float) and not isfinite(value))
