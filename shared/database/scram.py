"""What Postgres keeps instead of a password (RFC 5803). Made here, so that no password is in a statement, which
servers write to their logs."""

import base64
import hashlib
import hmac

_ROUNDS = 4096
"""As Postgres itself does it."""


def verifier(password: str, salt: bytes) -> str:
    """The SCRAM-SHA-256 verifier of a password of printable ASCII; others are prepared by rules that differ from one
    client to the next.

    Raises:
        ValueError: it is another one.
    """
    if not (password.isascii() and password.isprintable()):
        raise ValueError("a password of printable ASCII is expected")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ROUNDS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
