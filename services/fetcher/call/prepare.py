"""A call, just before it is made → the request: secrets, callback URLs and signatures are put in at that moment."""

from dataclasses import dataclass

from services.fetcher.call.request import HttpRequest, Unsendable, build_request
from services.fetcher.call.secrets import SigningSecrets, resolve_auth
from services.fetcher.call.vendor_jobs import call_of
from services.fetcher.call.webhooks import sign
from services.fetcher.model import Claimed
from shared.runtime.clock import utc_now
from shared.secrets import SecretMissing, resolve_own
from shared.specification.vendor import Vendor


@dataclass(frozen=True, slots=True)
class CallbackUrls:
    """What callback URLs are made of: where vendors reach the gateway, and a reference to the key."""

    gateway_url: str = ""
    key_reference: str = ""

    def key(self) -> bytes:
        """The key, looked up anew each time, so that it can be changed.

        Raises:
            SecretMissing: there is none.
            Unavailable: it cannot be read for now.
        """
        if not self.key_reference:
            raise SecretMissing("SLUICE_CALLBACK_KEY is not set: no callback URL can be made")
        return resolve_own(self.key_reference).encode()


def prepare(
    call: Claimed, vendor: Vendor, callbacks: CallbackUrls, signing: SigningSecrets
) -> HttpRequest | Unsendable:
    """The request as it leaves, with everything in it that is secret.

    Raises:
        Unavailable: a secret cannot be read for now.
    """
    now = utc_now()
    try:
        secrets = resolve_auth(vendor.auth)
    except SecretMissing as error:
        return Unsendable(f"secret_missing: {error}", no_credential=True)
    try:
        asked = call_of(call.request, callbacks.gateway_url, callbacks.key, now)
        key = signing.key(call.request.sign) if call.request.sign else None
    except SecretMissing as error:
        return Unsendable(f"secret_missing: {error}")
    request = build_request(asked, vendor, secrets, call.request.job_id)
    if isinstance(request, Unsendable) or call.request.purpose != "deliver":
        return request
    return sign(request, call.request.task_id, key, now)
