"""What the services were started with: the code, and the variables of their environment. They read both once, so who
changes one of them wants the services to be started again."""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

PROJECT = Path(__file__).resolve().parents[2]
_CODE = ("services", "shared", "infra/local", "infra/simulator")
_SUFFIXES = (".py", ".sql")
_LIBRARIES = "requirements.lock"
_OF_THE_TERMINAL = re.compile(
    r"_|PATH|PWD|OLDPWD|SHLVL|PS\d|COLUMNS|LINES|DISPLAY|WINDOWID|COLORTERM|LS_COLORS|STY|MFLAGS|SECURITYSESSIONID"
    r"|(MAKE|TERM|SSH_|XDG_|DBUS_|LC_|LANG|VIRTUAL_ENV|DIRENV_|TMUX|WAYLAND_|VSCODE_|GNOME_|VTE_|KITTY_|WEZTERM_|ITERM_"
    r"|PYTEST_)\w*"
)
"""Variables that differ from one terminal, or one call of make, to the next and mean nothing to the services."""


class Beginning(BaseModel):
    """Digests: of the code, and of each variable's value."""

    code: str
    variables: dict[str, str]


def beginning(environment: Mapping[str, str]) -> Beginning:
    """What services would be started with now."""
    variables = {name: value for name, value in environment.items() if not _OF_THE_TERMINAL.fullmatch(name)}
    return Beginning(code=_code(), variables={name: _digest(os.fsencode(value)) for name, value in variables.items()})


def difference(then: Beginning | None, now: Beginning) -> str:
    """Why services that began so are to be started again; empty if there is no reason. A variable that is not set any
    more is not a reason by itself: `make up` from another terminal shall not take a secret away from them."""
    if then is None:
        return "they were started by an older release"
    old, new = then.variables, now.variables
    reasons = [] if then.code == now.code else ["the code has changed"]
    reasons += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    reasons += [f"{name} has another value" for name in sorted(new.keys() & old.keys()) if new[name] != old[name]]
    if reasons:
        reasons += [f"{name} is not set any more" for name in sorted(old.keys() - new.keys())]
    return ", ".join(reasons)


def _code() -> str:
    files = [path for folder in _CODE for path in (PROJECT / folder).rglob("*") if path.suffix in _SUFFIXES]
    found = [*sorted(files), PROJECT / _LIBRARIES]
    parts = [f"{path.relative_to(PROJECT)} {_digest(path.read_bytes())}" for path in found]
    return _digest("\n".join([sys.version, *parts]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
