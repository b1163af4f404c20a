"""Secrets are named in the configuration and looked up here, at the moment of use. Never logged, never kept."""

import os
from pathlib import Path

from shared.specification.vendor import Auth, BasicAuth, BearerAuth, HeaderAuth, QueryAuth


class SecretMissing(Exception):
    """A secret cannot be found; the text names the reference, never a value."""


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/PATH`.

    Raises:
        SecretMissing: it is not there or empty.
    """
    kind, _, place = reference.partition(":")
    try:
        found = os.environ.get(place, "") if kind == "env" else Path(place).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found:
        raise SecretMissing(f"the secret {reference} is not set")
    return found


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
