"""Secrets are named in the configuration and looked up here, at the moment of use. Never logged.

Whoever may write a specification names the places that are read, so the house's own keys are kept out of reach:
settings of Sluice and what they refer to, credentials that its libraries take from the environment, the system's views
of the process. `allow_only` narrows the places further; a service does so at its start, and reserves its own.
"""

import base64
import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.errors import Unavailable

_HOUSE = ("SLUICE_", "AWS_", "AZURE_", "GOOGLE_", "PG", "POSTGRES")
_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})
_LONGEST_BYTES = 64 * 1024
_PREFIX = "whsec_"
_LASTING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM}
)
"""Faults of a file that last until a person corrects them; others pass."""


class SecretMissing(Exception):
    """A secret cannot be found, or used; the text names the reference, never a value."""


class Places:
    """Where secrets may be: `env:ACME_` for variables that begin with ACME_, `file:/run/secrets` for files below that
    folder, separated by commas. Nothing given: anywhere; a list of nothing: nowhere."""

    def __init__(self, places: str = "") -> None:
        self._anywhere = not places
        self._beginnings = tuple(_beginning(place.strip()) for place in places.split(",") if place.strip())

    def hold(self, reference: str) -> bool:
        """Whether what a reference names is in one of them; files are looked at where they are behind links."""
        return self._anywhere or _canonical(reference).startswith(self._beginnings)


_allowed = Places()
_own: tuple[str, ...] = ()


def allow_only(places: str) -> None:
    """From now on only secrets in these places are found in this process."""
    global _allowed  # noqa: PLW0603 - one rule for the whole process, set once at its start
    _allowed = Places(places)


def reserve(*references: str) -> None:
    """From now on these are our own in this process, and found by `resolve_own` alone. Links are followed at each use,
    since they are how files of secrets are exchanged."""
    global _own  # noqa: PLW0603 - one rule for the whole process, set once at its start
    _own = tuple(filter(None, references))


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/PATH` of a specification.

    Raises:
        SecretMissing: it is not there, empty, our own, or in a place that is out of reach.
        Unavailable: its file cannot be read for now.
    """
    place = _canonical(reference)
    if any(_is_same(place, _canonical(own)) for own in _own):
        raise SecretMissing(f"the secret {reference} is Sluice's own, and not for specifications")
    found = _read(place) if _is_within_reach(place) else ""
    if not found:
        absent = "set in the environment that the services were started with" if place.startswith("env:") else "there"
        raise SecretMissing(f"the secret {reference} is not {absent}, or not allowed")
    return found


def resolve_signing(reference: str) -> str:
    """As `resolve`, a secret of Standard Webhooks.

    Raises:
        SecretMissing: as `resolve`; or it is there, and no key.
        Unavailable: as `resolve`.
    """
    secret = resolve(reference)
    if not signing_key(secret):
        raise SecretMissing(f"the secret {reference} is no key: expected base64, with or without {_PREFIX} before it")
    return secret


def signing_key(secret: str) -> bytes:
    """The key that a secret of Standard Webhooks stands for, for who signs as for who verifies: base64, as the
    standard's own libraries read it with and without its prefix. Nothing for what is no base64."""
    text = secret.removeprefix(_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def resolve_own(reference: str) -> str:
    """The secret that a setting of ours refers to, wherever it is.

    Raises:
        SecretMissing: it is not there, or empty.
        Unavailable: its file cannot be read for now.
    """
    found = _read(_canonical(reference))
    if not found:
        raise SecretMissing(f"the secret {reference} is not set")
    return found


def _canonical(reference: str) -> str:
    """One text for each place, whatever links and spellings lead to it; nothing for what can be none."""
    kind, _, place = reference.partition(":")
    try:
        return f"env:{place}" if kind == "env" else f"file:{Path(place).resolve()}"
    except (OSError, ValueError, RuntimeError):
        return ""


def _is_same(place: str, other: str) -> bool:
    """Whether both are one place, also by another name: a disk may not tell capitals from small letters."""
    if place == other or not (place.startswith("file:") and other.startswith("file:")):
        return place == other
    try:
        return os.path.samefile(place.removeprefix("file:"), other.removeprefix("file:"))
    except (OSError, ValueError):
        return False


def _is_within_reach(place: str) -> bool:
    """Whether specifications may name it: no house key, no view of this process, and among what is allowed."""
    kind, _, name = place.partition(":")
    house = name.upper().startswith(_HOUSE) if kind == "env" else bool(_SYSTEM_FOLDERS & {*Path(name).parts[1:2]})
    return not house and _allowed.hold(place)


def _read(place: str) -> str:
    """A variable, or a small regular file; nothing if there is none, or no text in it.

    Raises:
        Unavailable: the file cannot be read for now: its disk does not answer, or this process has too many files open.
    """
    kind, _, name = place.partition(":")
    if kind == "env":
        return os.environ.get(name, "").strip()
    try:
        if not stat.S_ISREG(Path(name).stat().st_mode):
            return ""
        with Path(name).open("rb") as file:
            return file.read(_LONGEST_BYTES).decode().strip()
    except ValueError:
        return ""
    except OSError as error:
        if error.errno in _LASTING:
            return ""
        raise Unavailable(f"the secret {place} cannot be read: {error.strerror}") from None


def _beginning(place: str) -> str:
    """How what stands in a place begins."""
    return f"{_canonical(place)}/" if place.startswith("file:") else place


class Found(NamedTuple):
    """Secrets that can be used, and why others cannot."""

    secrets: list[str]
    problems: list[str]


class Recent:
    """Secrets as they were a moment ago: a file is not read for each of a thousand requests a second, and a new one
    is in force soon."""

    def __init__(self, clock: Callable[[], float], *, seconds: float = 2.0) -> None:
        self._clock = clock
        self._seconds = seconds
        self._found: dict[tuple[str, Callable[[str], str]], tuple[float, str, str]] = {}

    def resolve(self, references: Sequence[str], read: Callable[[str], str] = resolve) -> Found:
        """The secrets that can be found, in order; during a rotation one of two may be missing. A secret whose file
        cannot be read for now stays as it was.

        Raises:
            Unavailable: one cannot be read for now, and was not found before.
        """
        found = [self._one(reference, read) for reference in references]
        return Found(
            [secret for secret, _ in found if secret],
            [problem for _, problem in found if problem],
        )

    def _one(self, reference: str, read: Callable[[str], str]) -> tuple[str, str]:
        until, secret, problem = self._found.get((reference, read), (0.0, "", ""))
        if self._clock() < until:
            return secret, problem
        try:
            secret, problem = read(reference), ""
        except SecretMissing as error:
            secret, problem = "", str(error)
        except Unavailable:
            if not secret:
                raise
        self._found[reference, read] = (self._clock() + self._seconds, secret, problem)
        return secret, problem
