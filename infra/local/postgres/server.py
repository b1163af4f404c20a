"""Create, start and ask the database server."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg

from infra.local.errors import StackError
from infra.local.launch import Account, answered, as_account, end, launch, tail, wait_until_ready
from infra.local.pids import Process, look_up
from infra.local.postgres.binaries import Binaries, find_binaries
from infra.local.postgres.place import choose_place, reachable, server_account
from infra.local.record import Record, write_private

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path would have to be short, and TCP with a password serves everybody.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # What a commit promised survives a kill and a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Short statements only: compiling them costs more than it saves.
    "jit": "off",
}


# Without a locale a Postgres of Homebrew ends while starting: looking for one, macOS makes it multithreaded.
LOCALE = {"LC_ALL": "C"}


def start(root: Path, record: Record) -> Process:
    """Launch the server on its data, created at the first start; the record keeps their place."""
    account = server_account(os.environ)
    place = record.postgres_place
    # Gone with a folder for temporary files, or with the place from which the stack was moved.
    if place is None or not place.is_dir():
        place = record.postgres_place = choose_place(root, account)
    data = place / "data"
    version = data / "PG_VERSION"
    found = find_binaries(os.environ, int(version.read_text()) if version.exists() else None)
    binaries = reachable(found, account, place)
    if not version.exists():
        _create(root, binaries, account, data)
    _forget_foreign_pid(data)
    settings = {**SETTINGS, "port": str(record.ports.postgres)}
    argv = [str(binaries.folder / "postgres"), "-D", str(data)]
    argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = root / "logs" / "postgres.log"
    return launch(argv, log=log, environment={**os.environ, **LOCALE}, account=account)


def superuser_url(root: Path, port: int) -> str:
    """Return the URL with which the superuser logs in; its password is made at the first call."""
    # Unless the URL says that there is no TLS, clients look for certificates in a home that they may be unable to search.
    return f"postgresql://postgres:{_password(root)}@127.0.0.1:{port}/postgres?sslmode=disable"


def wait(root: Path, url: str, process: Process) -> None:
    """Return once the server takes statements."""

    async def answers() -> bool:
        return await takes_statements(url)

    wait_until_ready("Postgres", process, root / "logs" / "postgres.log", answers, READY_SECONDS)


def stop(process: Process) -> None:
    """End the server cleanly (a fast shutdown): open transactions are rolled back, nothing needs recovery."""
    end(process, signal.SIGINT, STOP_SECONDS)


def check_given(url: str) -> None:
    """Fail unless the database that the user named answers."""

    async def answers() -> bool:
        return await takes_statements(url)

    if not answered(answers):
        raise StackError("The database given in SLUICE_LOCAL_DATABASE_URL does not answer or refuses the login.")


async def takes_statements(url: str) -> bool:
    """Tell whether a login and a statement succeed."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        return bool(await connection.fetchval("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        connection.terminate()


def _password(root: Path) -> str:
    path = root / "postgres.password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def _create(root: Path, binaries: Binaries, account: Account | None, data: Path) -> None:
    # Created under another name and then renamed: a killed start leaves no half database behind.
    draft = data.with_name("data.draft")
    subprocess.run(["/bin/rm", "-rf", str(draft)], check=True, **as_account(account))
    password_file = data.with_name("password.draft")
    write_private(password_file, _password(root) + "\n")
    if account:
        os.chown(password_file, account.uid, account.gid)
    log = root / "logs" / "initdb.log"
    try:
        with log.open("wb") as output:
            done = subprocess.run(
                [
                    *(str(binaries.folder / "initdb"), "-D", str(draft), "-U", "postgres"),
                    *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", *_locale(binaries)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **LOCALE},
                cwd="/",
                check=False,
                **as_account(account),
            )
    finally:
        password_file.unlink()
    if done.returncode:
        raise StackError(f"The database could not be created in {data}. {tail(log)}")
    draft.rename(data)


def _locale(binaries: Binaries) -> list[str]:
    # Sorted by code point everywhere; from 17 on without the help of the system's library.
    if binaries.major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C" if sys.platform == "darwin" else "--locale=C.UTF-8"]


def _forget_foreign_pid(data: Path) -> None:
    """Remove the pid file of a dead server if its pid is taken; Postgres would believe that it still runs.

    Taken by another program, or by the dead server itself: where process 1 does not collect its orphans, as in many
    containers, a killed server keeps its pid.
    """
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n")[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return
    except PermissionError:
        pass
    row = look_up(pid)
    if row is None or row.name != "postgres":
        path.unlink()
