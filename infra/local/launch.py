"""Start a server in the background, wait until it answers, end it.

A server outlives the command that started it and must not hear the terminal's Ctrl-C: it gets a session of its own.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from infra.local.errors import StackError
from infra.local.pids import Process, alive, family, identify

POLL_SECONDS = 0.05
LOG_BYTES = 20 * 1024 * 1024
TAIL_LINES = 15
MARK = "--- started "


@dataclass(frozen=True)
class Account:
    """The user as whom a server runs."""

    uid: int
    gid: int


def launch(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> Process:
    """Start a server that is nobody's child, its output appended to the log, and return its identity."""
    with mark_start(log) as output:
        # The shell ends at once and leaves the server to init, which reaps it. The log was opened before
        # the change of user: the server's account need not be able to reach it.
        shell = subprocess.run(
            ["/bin/sh", "-c", '"$@" 1>&2 & echo $!', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            cwd="/",
            start_new_session=True,
            check=True,
            **as_account(account),
        )
    pid = int(shell.stdout)
    # Gone already: an identity that matches nothing, so that the caller's wait reports it with its log.
    return identify(pid) or Process(pid=pid, born="ended at once")


def mark_start(log: Path) -> BinaryIO:
    """Open a log for another start: the old text stays, a long one is put aside."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    output = log.open("ab")
    output.write(f"{MARK}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
    output.flush()
    return output


def as_account(account: Account | None) -> dict[str, Any]:
    """Return the arguments that make `subprocess` drop root's rights, if an account is given."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def wait_until_ready(
    name: str, process: Process, log: Path, answers: Callable[[], Awaitable[bool]], within_seconds: float
) -> None:
    """Return once the server answers; fail with the end of its log if it ends first or takes too long."""
    deadline = time.monotonic() + within_seconds
    while not answered(answers):
        if not alive(process):
            raise StackError(f"{name} ended while starting. {tail(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{name} did not answer within {within_seconds:.0f} seconds. {tail(log)}")
        time.sleep(POLL_SECONDS)


def answered(question: Callable[[], Awaitable[bool]]) -> bool:
    """Ask once, from any thread: one that already runs an event loop cannot run a second."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_ask(question))).result()


async def _ask(question: Callable[[], Awaitable[bool]]) -> bool:
    return await question()


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process unless it has ended."""
    try:
        if alive(process):
            os.kill(process.pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise StackError(f"Process {process.pid} belongs to another user and cannot be stopped from here.") from error


def end(process: Process, number: signal.Signals, within_seconds: float) -> bool:
    """Ask a process to end and wait for it and its children; kill it after the deadline. True: it ended by itself."""
    members = [Process(pid=row.pid, born=row.born) for row in family(process.pid)] if alive(process) else []
    send(process, number)
    if _gone(members, within_seconds):
        return True
    for member in members:
        send(member, signal.SIGKILL)
    _gone(members, within_seconds=10)
    return False


def _gone(members: Sequence[Process], within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while any(alive(member) for member in members):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def tail(log: Path) -> str:
    """Return what the server wrote last, since its latest start."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        text = ""
    lines = f"\n{text}".rpartition(f"\n{MARK}")[2].splitlines()[1:][-TAIL_LINES:]
    return f"The last lines of {log}:\n" + "\n".join(f"  {line}" for line in lines or ["(nothing)"])
