"""What a verified webhook is: its id, what it says, and what of it goes on. Pure."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.callback_gateway.verify.headers import without_secrets
from services.callback_gateway.verify.verdict import Verified
from shared.errors import Invalid
from shared.events.catalogue import WEBHOOKS_RECEIVED
from shared.events.webhooks import WebhookReceived, content_of
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, outgoing
from shared.specification.evaluation import CountedDocument
from shared.specification.expressions import NotApplicable, evaluate, found_by, steps_per_value
from shared.specification.hook import Hook
from shared.specification.parse import decode_json

_LONGEST_ID = 255
_QUICK_STEPS = 50_000
"""A hundredth of a second's worth."""
_VALUE_BYTES = 2
"""A body has no more than one value in so many bytes, as in `[1,1]`."""


class Unfit(Exception):
    """Verified, but not what the hook is set to expect; the text says what that is."""


class Receipt(StrEnum):
    """What became of a webhook. A conflict is the id of an earlier one with another body: the earlier one counts."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    CONFLICTING = "conflicting"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: its headers by their names in lower case, its raw body, and when."""

    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook ready to be kept. It has a `fingerprint` where the sender gave it an id: the same id twice is one
    webhook. `answer_fields` is what its hook adds to the answer."""

    id: UUID
    message: Outgoing
    fingerprint: bytes | None
    answer_fields: Mapping[str, Any]


def read_webhook(hook: Hook, verdict: Verified, request: Received, new_id: UUID) -> Webhook:
    """The webhook in a request. With a sender's id its own id is derived from that, so whoever handles it twice knows;
    else it is `new_id`.

    Raises:
        Unfit: it has no body, no JSON where its media type says so, or not the id that the hook looks for.
        Rejected: it is too large for its topic.
    """
    headers, body = request.headers, request.body
    if not body:
        raise Unfit("expected a body")
    media_type = headers.get("content-type", "").split(";", 1)[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    content = _read(body) if is_json else content_of(body)
    kept = without_secrets(headers, hook.verify)
    document = CountedDocument({"body": content, "headers": kept})
    sender_id = _sender_id(hook, verdict, document)
    webhook_id = new_id if sender_id is None else derived_id("webhook", hook.hook, sender_id)
    event = WebhookReceived(
        webhook_id=webhook_id,
        hook=hook.hook,
        sender_id=sender_id,
        media_type=media_type[:_LONGEST_ID],
        headers=kept,
        body=content if is_json else None,
        raw=None if is_json else base64.b64encode(body).decode(),
        received_at=request.at,
    )
    message = outgoing(WEBHOOKS_RECEIVED, hook.hook, event, id=webhook_id, at=request.at)
    # These are for the answer alone: what cannot be found is no reason to refuse a webhook.
    fields = {name: found_by(expression, document) for name, expression in hook.answer.fields.items()}
    return Webhook(webhook_id, message, None if sender_id is None else hashlib.sha256(body).digest(), fields)


def is_quick(hook: Hook, size: int) -> bool:
    """Whether its expressions take no time to speak of, whatever is in a body of `size` bytes."""
    expressions = [*hook.answer.fields.values(), *([] if hook.id is None else [hook.id])]
    return sum(map(steps_per_value, expressions)) * size <= _QUICK_STEPS * _VALUE_BYTES


def sort_out(batch: Sequence[Webhook], known: Mapping[UUID, bytes]) -> list[Receipt]:
    """What becomes of each; `known` are the fingerprints of earlier webhooks with the same ids."""
    before = dict(known)
    found: list[Receipt] = []
    for webhook in batch:
        if webhook.fingerprint is None or webhook.id not in before:
            found.append(Receipt.ACCEPTED)
        else:
            found.append(Receipt.REPEATED if before[webhook.id] == webhook.fingerprint else Receipt.CONFLICTING)
        if webhook.fingerprint is not None:
            before.setdefault(webhook.id, webhook.fingerprint)
    return found


def _read(body: bytes) -> Any:
    try:
        return decode_json(body)
    except Invalid as error:
        raise Unfit(error.problems[0].detail) from None


def _sender_id(hook: Hook, verdict: Verified, document: CountedDocument) -> str | None:
    """By the hook's expression, else by the scheme. Whole numbers count as text; anything else is no id."""
    if hook.id is None:
        found: Any = verdict.sender_id
        if found is None:
            return None
    else:
        try:
            found = evaluate(hook.id, document)
        except NotApplicable as error:
            raise Unfit(f"the sender's id: {error}") from None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not 1 <= len(found) <= _LONGEST_ID or not found.isprintable():
        raise Unfit(f"expected the sender's id, a printable text of up to {_LONGEST_ID} characters, at {hook.id}")
    return found
