"""The secrets that a call needs, looked up at the moment it is made."""

from shared.secrets import Places, SecretMissing, resolve, resolve_signing, signing_key
from shared.specification.auth import Auth, BasicAuth, BearerAuth, HeaderAuth, QueryAuth


def resolve_auth(auth: Auth | None) -> dict[str, str]:
    """The secrets that a vendor's auth needs, by reference.

    Raises:
        SecretMissing: one is not there.
        Unavailable: one cannot be read for now.
    """
    match auth:
        case None:
            return {}
        case BearerAuth(token=reference) | BasicAuth(password=reference):
            return {reference: resolve(reference)}
        case HeaderAuth(value=reference) | QueryAuth(value=reference):
            return {reference: resolve(reference)}


class SigningSecrets:
    """Secrets that webhooks are signed with. Whoever may post a job names one and the receiver: were it one that
    incoming webhooks are proved with, the signature would be a forged proof. So they can have places of their own,
    among those of all secrets."""

    def __init__(self, places: str = "") -> None:
        self._places = Places(places)

    def key(self, reference: str) -> bytes:
        """The key behind a reference to a secret.

        Raises:
            SecretMissing: it is not there, is no key, or is in no place of signing secrets.
            Unavailable: it cannot be read for now.
        """
        if not self._places.hold(reference):
            raise SecretMissing(f"the secret {reference} is not set, or not allowed for signing")
        return signing_key(resolve_signing(reference))
