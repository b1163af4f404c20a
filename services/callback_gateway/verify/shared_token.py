"""A secret in a header, as it is."""

from collections.abc import Mapping, Sequence

from services.callback_gateway.verify.signatures import key_of, matches
from services.callback_gateway.verify.verdict import Forged, Reason, Verdict, Verified
from shared.specification.verification import SharedToken


def verify_token(scheme: SharedToken, secrets: Sequence[str], headers: Mapping[str, str]) -> Verdict:
    """The verdict; names of authentication schemes such as `Bearer` are written in any case (RFC 9110, 11.1)."""
    given = headers.get(scheme.header.lower(), "")
    if not given:
        return Forged(Reason.MISSING, f"expected a token in the header {scheme.header}")
    begins = given[: len(scheme.prefix)].lower() == scheme.prefix.lower()
    token = given[len(scheme.prefix) :] if begins else ""
    if not matches([token.encode("latin-1", errors="replace")], [key_of(secret) for secret in secrets]):
        return Forged(Reason.WRONG, f"the token in the header {scheme.header} is not right")
    return Verified()
