"""The secrets that a vendor's auth needs, looked up at the moment of the call."""

from shared.secrets import resolve
from shared.specification.vendor import Auth, BasicAuth, BearerAuth, HeaderAuth, QueryAuth


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
