"""What of a request's headers may be kept: signatures, but nothing that logs anyone in. Pure."""

from collections.abc import Mapping

from shared.specification.verification import SharedToken, Verification

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie"})


def without_secrets(headers: Mapping[str, str], scheme: Verification | None) -> dict[str, str]:
    """The headers, whose names are in lower case, without credentials and without the token that a scheme looks for."""
    token = scheme.header.lower() if isinstance(scheme, SharedToken) else ""
    return {name: value for name, value in headers.items() if name not in _SECRET and name != token}
