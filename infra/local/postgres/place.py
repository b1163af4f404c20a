"""Where the database's files lie and whose they are.

Postgres refuses to run as root, so root hands it to an ordinary account. That account must be able to reach the files;
below a private home folder it cannot, and other people's folders are not opened for it: then the files lie in
`/var/lib`, which outlives a boot, or else in the system's folder for temporary files; the stack's record says where.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from infra.local.errors import StackError
from infra.local.launch import Account, as_account
from infra.local.postgres.binaries import Binaries


def server_account(environment: Mapping[str, str]) -> Account | None:
    """Return the account for the server if we are root: who called sudo, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    caller = environment.get("SUDO_UID", "0")
    if caller != "0":
        return Account(int(caller), int(environment["SUDO_GID"]))
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise StackError("Postgres does not run as root, and there is neither an account `postgres` nor `nobody`.")


def choose_place(root: Path, account: Account | None) -> Path:
    """Return a folder for the database that its account owns and can reach."""
    place = root / "postgres"
    place.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return place
    os.chown(place, account.uid, account.gid)
    if _reaches(account, place, "-w"):
        return place
    place.rmdir()
    kept = "/var/lib" if os.access("/var/lib", os.W_OK) else None
    elsewhere = Path(tempfile.mkdtemp(prefix="sluice-postgres-", dir=kept))
    os.chown(elsewhere, account.uid, account.gid)
    if not _reaches(account, elsewhere, "-w"):
        raise StackError(f"The account of Postgres (uid {account.uid}) can reach neither {root} nor {elsewhere}.")
    return elsewhere


def reachable(binaries: Binaries, account: Account | None, place: Path) -> Binaries:
    """Return the binaries, or a copy in the database's place if its account cannot reach the originals."""
    if account is None or _reaches(account, binaries.folder / "postgres", "-x"):
        return binaries
    copy = place / f"install-{binaries.major}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(binaries.folder.parent, draft, symlinks=True)
        draft.rename(copy)
    return Binaries(copy / "bin", binaries.major)


def _reaches(account: Account, path: Path, test: str) -> bool:
    done = subprocess.run(
        ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)], cwd="/", check=False, **as_account(account)
    )
    return done.returncode == 0
