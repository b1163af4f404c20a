"""Secrets are named in the configuration and looked up here, at the moment of use. Never logged.

Whoever may write a specification names the places that are read, so the house's own keys are kept out of reach:
settings of Sluice, credentials that its libraries take from the environment, the system's views of the process.
`allow_only` narrows the places further; a service does so at its start.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

_HOUSE = ("SLUICE_", "AWS_", "AZURE_", "GOOGLE_", "PG", "POSTGRES")
_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})
_LONGEST_BYTES = 64 * 1024

_allowed: tuple[str, ...] = ()


class SecretMissing(Exception):
    """A secret cannot be found; the text names the reference, never a value."""


def allow_only(places: str) -> None:
    """From now on only secrets in these places are found in this process: `env:ACME_` for variables that begin with
    ACME_, `file:/run/secrets` for files below that folder, separated by commas. Nothing given: anywhere."""
    global _allowed  # noqa: PLW0603 - one rule for the whole process, set once at its start
    _allowed = tuple(_beginning(place.strip()) for place in places.split(",") if place.strip())


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/PATH`.

    Raises:
        SecretMissing: it is not there, empty, or in a place that is out of reach.
    """
    kind, _, place = reference.partition(":")
    found = _of_environment(place) if kind == "env" else _of_file(place)
    if not found:
        raise SecretMissing(f"the secret {reference} is not set, or not allowed")
    return found


def _of_environment(name: str) -> str:
    if name.upper().startswith(_HOUSE) or not _is_allowed(f"env:{name}"):
        return ""
    return os.environ.get(name, "").strip()


def _of_file(place: str) -> str:
    """A small regular file that is none of the system's views of this process."""
    try:
        found = Path(place).resolve()
        if not found.is_file() or found.parts[1] in _SYSTEM_FOLDERS or not _is_allowed(f"file:{found}"):
            return ""
        with found.open("rb") as file:
            return file.read(_LONGEST_BYTES).decode().strip()
    except (OSError, ValueError):
        return ""


def _beginning(place: str) -> str:
    """How what stands in a place begins; folders as they are behind links, as files are looked at, too."""
    return f"file:{Path(place.removeprefix('file:')).resolve()}/" if place.startswith("file:") else place


def _is_allowed(reference: str) -> bool:
    return not _allowed or reference.startswith(_allowed)


class Recent:
    """Secrets as they were a moment ago: a file is not read for each of a thousand requests a second, and a new one
    is in force soon."""

    def __init__(self, clock: Callable[[], float], *, seconds: float = 2.0) -> None:
        self._clock = clock
        self._seconds = seconds
        self._found: dict[str, tuple[float, str]] = {}

    def resolve(self, references: Sequence[str]) -> list[str]:
        """The secrets that can be found, in order; during a rotation one of two may be missing."""
        return [secret for secret in map(self._one, references) if secret]

    def _one(self, reference: str) -> str:
        until, secret = self._found.get(reference, (0.0, ""))
        if self._clock() < until:
            return secret
        try:
            secret = resolve(reference)
        except SecretMissing:
            secret = ""
        self._found[reference] = (self._clock() + self._seconds, secret)
        return secret
