"""A hook: a place where somebody else's webhooks come in, and what they start."""

from typing import Annotated, Literal

from pydantic import Field

from shared.specification.values import MessageExpression, Name, Strict
from shared.specification.verification import Verification


class Start(Strict):
    """Run a source for each webhook, with parameters found in it by expressions over {body, headers}; `when` says for
    which ones."""

    source: Name
    parameters: Annotated[dict[str, MessageExpression], Field(max_length=100)] = {}
    when: MessageExpression | None = None


class Acknowledgement(Strict):
    """How a webhook is answered once it is durable: some senders take nothing but a 200, or want a word of theirs back.
    `fields` are found by expressions over {body, headers} and stand in the answer beside its own, or instead of those;
    what is not there is null. 204 has no body at all."""

    status: Literal[200, 202, 204] = 202
    fields: Annotated[dict[str, MessageExpression], Field(max_length=20)] = {}


class Hook(Strict):
    """`POST /in/{hook}`. `id` finds the sender's own id (over {body, headers}): the same one twice is one webhook.

    Without `verify` anyone may send; Standard Webhooks' own `webhook-id` is used where no `id` is given.
    """

    hook: Name
    verify: Verification | None = None
    id: MessageExpression | None = None
    start: Start | None = None
    answer: Acknowledgement = Acknowledgement()
