"""How an incoming webhook or callback proves where it comes from. Always over the raw bytes of its body."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared.specification.values import AtMost, Duration, SecretReference, Strict, Words

Secrets = Annotated[tuple[SecretReference, ...], Field(min_length=1), AtMost(4)]
"""The secrets in force: two during a rotation. One that verifies is enough."""

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), Words("header name")]


class Signed(Strict):
    """What all schemes share."""

    secrets: Secrets
    """Where the secrets are found. A signature by any of them is good; two are in force during a rotation."""
    tolerance: Duration = timedelta(minutes=5)
    """How far the signed time may be from now, for schemes that sign a time."""


class StandardWebhooks(Signed):
    """Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature` (`v1`, HMAC-SHA256)."""

    scheme: Literal["standard-webhooks"]


class PlainHmac(Signed):
    """An HMAC of the body in a header of any name."""

    scheme: Literal["hmac"]
    header: HeaderName
    """The header that has the signature."""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    """The hash function of the HMAC."""
    encoding: Literal["hex", "base64"] = "hex"
    """How the signature is written."""
    prefix: Annotated[str, Field(max_length=32)] = ""
    """What stands before the signature in the header, such as `sha256=`."""
    timestamp: HeaderName | None = None
    """The header that has the signed time, in seconds since 1970. What is signed is then `<seconds>.<body>`; without
    this field, the body."""


class GitHub(Signed):
    """GitHub's signature: `X-Hub-Signature-256: sha256=<hex>`."""

    scheme: Literal["github"]


class Stripe(Signed):
    """Stripe's signature: `Stripe-Signature: t=<seconds>,v1=<hex>`, HMAC-SHA256 of `<t>.<body>`."""

    scheme: Literal["stripe"]


class SharedToken(Signed):
    """The secret itself in a header. It proves the sender, not the body."""

    scheme: Literal["token"]
    header: HeaderName = "Authorization"
    """The header that has the secret."""
    prefix: Annotated[str, Field(max_length=32)] = "Bearer "
    """What stands before the secret in the header."""


Verification = Annotated[StandardWebhooks | PlainHmac | GitHub | Stripe | SharedToken, Field(discriminator="scheme")]
