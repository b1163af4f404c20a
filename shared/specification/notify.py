"""Who hears when a job is over."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from shared.specification.addresses import is_private
from shared.specification.values import AtMost, Name, SecretReference, Strict, mistake_of
from shared.specification.vendor import Url

NOT_PUBLIC = "expected a public address; private ones need a vendor that allows them"
End = Literal["completed", "completed_with_failures", "failed", "cancelled"]
Ends = Annotated[tuple[End, ...], Field(min_length=1, max_length=4)]
_EVERY_END: Ends = ("completed", "completed_with_failures", "failed", "cancelled")


class Webhook(Strict):
    """An outgoing webhook (Standard Webhooks 1.0), delivered with retries.

    With `vendor`, that vendor's contract and network rules hold, and the URL must be on the vendor's host. Without
    `vendor`, the URL's host gets a careful budget and must be public.
    """

    webhook: Url
    """The URL that it is sent to."""
    on: Ends = _EVERY_END
    """The ends of jobs that are reported."""
    secret: SecretReference | None = None
    """Where the secret is found that signs the webhook: base64, with or without `whsec_`. Without this field the
    webhook is not signed."""
    vendor: Name | None = None
    """The vendor whose contract and network rules hold for the webhook."""

    @model_validator(mode="after")
    def _check(self) -> "Webhook":
        if self.vendor is None and is_private(self.webhook):
            raise mistake_of("webhook", NOT_PUBLIC)
        return self


class OnTopic(Strict):
    """A message on the topic `notifications` for your own consumers, and no webhook."""

    topic: Literal[True]
    """Always `true`."""
    on: Ends = _EVERY_END
    """The ends of jobs that are reported."""


def _tag(value: Any) -> str | None:
    names = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else {}
    return next((name for name in ("webhook", "topic") if name in names), None)


Notice = Annotated[
    Annotated[Webhook, Tag("webhook")] | Annotated[OnTopic, Tag("topic")],
    Discriminator(
        _tag, custom_error_type="notice_kind", custom_error_message="expected an object with webhook, or topic: true"
    ),
]
Webhooks = Annotated[tuple[Webhook, ...], AtMost(8)]
Notify = Annotated[tuple[Notice, ...], AtMost(8)]


def webhooks_of(notices: Notify) -> tuple[Webhook, ...]:
    """Those that are webhooks, and not messages on a topic alone."""
    return tuple(one for one in notices if isinstance(one, Webhook))
