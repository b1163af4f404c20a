"""How an incoming webhook or callback proves where it comes from. Always over the raw bytes of its body."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared.specification.values import Duration, SecretReference, Strict

Secrets = Annotated[tuple[SecretReference, ...], Field(min_length=1, max_length=4)]
"""The secrets in force: two during a rotation. One that verifies is enough."""

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Signed(Strict):
    """What schemes with a secret share. `tolerance` is how far a signed time may be from now, where there is one."""

    secrets: Secrets
    tolerance: Duration = timedelta(minutes=5)


class StandardWebhooks(Signed):
    """Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature` (`v1`, HMAC-SHA256)."""

    scheme: Literal["standard-webhooks"]


class PlainHmac(Signed):
    """A MAC of the body in a header of the sender's choice. With `timestamp`, the name of a header with seconds since
    1970, what is signed is `<timestamp>.<body>`."""

    scheme: Literal["hmac"]
    header: HeaderName
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=32)] = ""
    timestamp: HeaderName | None = None


class GitHub(Signed):
    """`X-Hub-Signature-256: sha256=<hex>`."""

    scheme: Literal["github"]


class Stripe(Signed):
    """`Stripe-Signature: t=<seconds>,v1=<hex>`, HMAC-SHA256 of `<t>.<body>`."""

    scheme: Literal["stripe"]


class SharedToken(Signed):
    """The secret itself in a header, `Authorization: Bearer …` by default. Proves the sender, not the body."""

    scheme: Literal["token"]
    header: HeaderName = "Authorization"
    prefix: Annotated[str, Field(max_length=32)] = "Bearer "


Verification = Annotated[StandardWebhooks | PlainHmac | GitHub | Stripe | SharedToken, Field(discriminator="scheme")]
