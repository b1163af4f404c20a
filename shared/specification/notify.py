"""Whom to tell when something is over."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from shared.specification.values import Name, SecretReference, Strict
from shared.specification.vendor import Url

End = Literal["completed", "completed_with_failures", "failed", "cancelled"]


class Webhook(Strict):
    """An outgoing webhook (Standard Webhooks 1.0), signed when there is a `secret`, delivered with retry.

    With `vendor` it leaves under that vendor's contract and network rules, and its URL must be of the same host as the
    vendor's base URL; without, the URL's host gets a careful budget and must be public.
    """

    webhook: Url
    on: Annotated[tuple[End, ...], Field(min_length=1, max_length=4)] = (
        "completed",
        "completed_with_failures",
        "failed",
        "cancelled",
    )
    secret: SecretReference | None = None
    vendor: Name | None = None


def leads_to(url: str, base_url: str) -> bool:
    """Whether a webhook's URL is one of a vendor's."""
    here, there = urlsplit(url), urlsplit(base_url)
    return (here.scheme, here.netloc.lower()) == (there.scheme, there.netloc.lower())


Notify = Annotated[tuple[Webhook, ...], Field(max_length=8)]
