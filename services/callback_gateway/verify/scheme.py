"""One door to all schemes.

What is signed are the bytes of the body as they came: nothing is parsed before. Each of several secrets is tried, so
that a new one can be in force before the old one has gone. Whatever stands in the headers, the answer is a verdict.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.callback_gateway.verify.plain_hmac import verify_github, verify_hmac
from services.callback_gateway.verify.shared_token import verify_token
from services.callback_gateway.verify.standard_webhooks import verify_standard
from services.callback_gateway.verify.stripe import verify_stripe
from services.callback_gateway.verify.verdict import Verdict
from shared.specification.verification import GitHub, PlainHmac, SharedToken, StandardWebhooks, Stripe, Verification


def verify(
    scheme: Verification, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict on one request. `secrets` are those that `scheme` refers to, resolved; `headers` are looked up by
    their names in lower case (Starlette's fit). An empty secret is none."""
    secrets = [secret for secret in secrets if secret]
    match scheme:
        case StandardWebhooks():
            return verify_standard(secrets, scheme.tolerance, headers, body, now)
        case PlainHmac():
            return verify_hmac(scheme, secrets, headers, body, now)
        case GitHub():
            return verify_github(scheme, secrets, headers, body, now)
        case Stripe():
            return verify_stripe(secrets, scheme.tolerance, headers, body, now)
        case SharedToken():
            return verify_token(scheme, secrets, headers)
