"""Secrets are named in the configuration and looked up at the moment of use. Never logged, never kept."""

import os
from pathlib import Path

_OWN_SETTINGS = "SLUICE_"
_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})
_LONGEST_BYTES = 64 * 1024


class SecretMissing(Exception):
    """A secret cannot be found; the text names the reference, never a value."""


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/PATH`.

    Raises:
        SecretMissing: it is not there or empty.
    """
    kind, _, place = reference.partition(":")
    found = _of_environment(place) if kind == "env" else _of_file(Path(place))
    if not found:
        raise SecretMissing(f"the secret {reference} is not set")
    return found


def _of_environment(name: str) -> str:
    """A variable, if it is not one of Sluice's own settings: those hold the keys of its own house."""
    return "" if name.upper().startswith(_OWN_SETTINGS) else os.environ.get(name, "").strip()


def _of_file(path: Path) -> str:
    """A small regular file that is none of the system's views of this process."""
    try:
        found = path.resolve()
        if not found.is_file() or found.parts[1] in _SYSTEM_FOLDERS:
            return ""
        with found.open("rb") as file:
            return file.read(_LONGEST_BYTES).decode().strip()
    except (OSError, ValueError):
        return ""
