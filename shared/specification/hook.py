"""A hook: a place where somebody else's webhooks come in, and what they start."""

from typing import Annotated, Literal

from shared.specification.values import AtMost, MessageExpression, Name, Strict
from shared.specification.verification import Verification


class Start(Strict):
    """Runs a source for each webhook."""

    source: Name
    """The name of the source."""
    parameters: Annotated[dict[str, MessageExpression], AtMost(100)] = {}
    """Where the webhook has the values for the source's placeholders `{parameters.NAME}`."""
    when: MessageExpression | None = None
    """Only webhooks for which this is true start a job. Without this field all do."""


class Acknowledgement(Strict):
    """How a webhook is answered once it is durable. `fields` are added to the answer, and replace fields of the same
    name."""

    status: Literal[200, 202, 204] = 202
    """The status of the answer. With 204 it has no body."""
    fields: Annotated[dict[str, MessageExpression], AtMost(20)] = {}
    """Fields of the answer, by their names. A value that is not found is null."""


class Hook(Strict):
    """Takes webhooks at `POST /in/{hook}`. The same id twice is one webhook."""

    hook: Name
    """The hook's name, which ends its URL: `/in/NAME`."""
    verify: Verification | None = None
    """How a webhook proves where it comes from. Without this field every sender is accepted."""
    id: MessageExpression | None = None
    """Where a webhook has its sender's id. Without this field it is
    `webhook-id` or `X-GitHub-Delivery`, if the scheme has one."""
    start: Start | None = None
    """The job that a webhook starts. Without this field it starts none."""
    answer: Acknowledgement = Acknowledgement()
    """What the sender gets."""
