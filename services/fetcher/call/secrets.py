"""The secrets that a vendor's auth needs, looked up at the moment of use."""

from shared.secrets import SecretMissing, resolve
from shared.specification.vendor import Auth, BasicAuth, BearerAuth, HeaderAuth, QueryAuth

__all__ = ["SecretMissing", "resolve", "resolve_auth"]


def resolve_auth(auth: Auth | None) -> dict[str, str]:
    """The secrets that a vendor's auth needs, by reference.

    Raises:
        SecretMissing: one is not there.
    """
    match auth:
        case None:
            return {}
        case BearerAuth(token=reference) | BasicAuth(password=reference):
            return {reference: resolve(reference)}
        case HeaderAuth(value=reference) | QueryAuth(value=reference):
            return {reference: resolve(reference)}
