"""A MAC of the body, or of `<timestamp>.<body>`, in a header of the sender's choice (RFC 2104). GitHub's is one."""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from services.callback_gateway.verify.signatures import MOST_SIGNATURES, decode, is_near, key_of, matches, read_time
from services.callback_gateway.verify.verdict import Forged, Reason, Verdict, Verified
from shared.specification.verification import GitHub, PlainHmac

_GITHUB_DELIVERY = "x-github-delivery"


def verify_hmac(
    scheme: PlainHmac, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict. Several signatures may stand in the header, separated by commas or blanks."""
    given = headers.get(scheme.header.lower(), "")
    time = headers.get(scheme.timestamp.lower(), "") if scheme.timestamp else ""
    if not given or (scheme.timestamp and not time):
        wanted = " and ".join(filter(None, (scheme.header, scheme.timestamp)))
        return Forged(Reason.MISSING, f"expected a signature in the header {wanted}")
    signed = read_time(time)
    if scheme.timestamp and signed is None:
        return Forged(Reason.MALFORMED, f"expected seconds since 1970 in the header {scheme.timestamp}")
    content = f"{time}.".encode() + body if scheme.timestamp else body
    expected = [hmac.digest(key_of(secret), content, scheme.algorithm) for secret in secrets]
    if not matches(_signatures(scheme, given), expected):
        return Forged(Reason.WRONG, f"the signature in the header {scheme.header} is not right")
    if signed is not None and not is_near(signed, now, scheme.tolerance):
        return Forged(
            Reason.EXPIRED, f"{scheme.timestamp} is more than {scheme.tolerance.total_seconds():g} s from now"
        )
    return Verified()


def verify_github(
    scheme: GitHub, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> Verdict:
    """The verdict; GitHub's id of the delivery comes beside the signature, not under it."""
    plain = PlainHmac(
        scheme="hmac",
        secrets=scheme.secrets,
        tolerance=scheme.tolerance,
        header="X-Hub-Signature-256",
        prefix="sha256=",
    )
    verdict = verify_hmac(plain, secrets, headers, body, now)
    return Verified(headers.get(_GITHUB_DELIVERY)) if isinstance(verdict, Verified) else verdict


def _signatures(scheme: PlainHmac, header: str) -> list[bytes]:
    """What follows the prefix, at the start or after a comma or blank. The prefix itself may contain both."""
    found = re.finditer(rf"(?:^|[\s,]){re.escape(scheme.prefix)}([^\s,]+)", header)
    return [decode(one[1], scheme.encoding) for one in islice(found, MOST_SIGNATURES)]
