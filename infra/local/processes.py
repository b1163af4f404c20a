"""Run the product's services as child processes, each in a process group of its own, restarted when they exit.

A service whose watchdog finds it stuck exits on purpose and counts on being started again: that is `supervise`.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from pydantic import TypeAdapter

from infra.local.errors import StackError
from infra.local.launch import end, mark_start, send, tail
from infra.local.pids import Process, identify, resident_bytes
from infra.local.record import write_private

POLL_SECONDS = 0.1
CHILDREN = "children.json"
_IDENTITIES = TypeAdapter(dict[str, Process])


class Running(Protocol):
    """What is asked of a process, as `subprocess` answers it: it leads a process group of its own."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Spawn = Callable[[Sequence[str], Mapping[str, str], BinaryIO], Running]


def execute(argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO) -> Running:
    """Run a program. A group of its own: Ctrl-C in the terminal reaches us alone, and we stop things in order."""
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )


@dataclass(frozen=True)
class Backoff:
    """How long a service that exits stays down: doubled each time, forgotten after a healthy run."""

    base_seconds: float = 0.5
    cap_seconds: float = 30.0
    healthy_after_seconds: float = 60.0


@dataclass
class Child:
    """One service and its current process."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    process: Running
    started_at: float
    # False once somebody stopped it on purpose: then it stays down.
    wanted: bool = True
    exits_in_a_row: int = 0
    # Exit codes of all earlier processes, oldest first; negative: the signal that killed it.
    exit_codes: list[int] = field(default_factory=list)


class Processes:
    """Named child processes with logs in `<root>/logs/<name>.log`; safe to use from several threads. Who they are stands
    in a file, so that they can be ended if this process cannot do it any more."""

    def __init__(self, root: Path, backoff: Backoff | None = None, spawn: Spawn = execute) -> None:
        self._children_file = root.absolute() / CHILDREN
        self._logs = root.absolute() / "logs"
        self._backoff = backoff or Backoff()
        self._spawn = spawn
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._supervisor: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop_all()

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a named process; `env` is its whole environment."""
        with self._lock:
            if self.alive(name):
                raise StackError(f"{name} runs already.")
            self._children[name] = Child(argv, env, self._launch(name, argv, env), time.monotonic())
            self._note_children()

    def restart(self, name: str, timeout_seconds: float = 30) -> None:
        """Stop the process if it runs and start it as it was started before."""
        self.stop(name, timeout_seconds)
        with self._lock:
            self._start_again(name, self._children[name])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process and all it started. A supervised one comes back."""
        with self._lock:
            _signal_group(self._children[name].process, number)

    def stop(self, name: str, timeout_seconds: float = 30) -> int:
        """End the process for good, kill it after the time-out, and return its exit code."""
        with self._lock:
            child = self._children[name]
            child.wanted = False
            _signal_group(child.process, signal.SIGTERM)
        return self._ended(child, time.monotonic() + timeout_seconds)

    def stop_all(self, timeout_seconds: float = 30) -> dict[str, int]:
        """End all processes at once, kill those left after the time-out, and return the exit codes."""
        self._ending.set()
        if self._supervisor and self._supervisor is not threading.current_thread():
            self._supervisor.join()
        with self._lock:
            children = dict(self._children)
            for child in children.values():
                child.wanted = False
                _signal_group(child.process, signal.SIGTERM)
        deadline = time.monotonic() + timeout_seconds
        return {name: self._ended(child, deadline) for name, child in children.items()}

    def wait_exit(self, name: str, timeout_seconds: float = 30) -> int:
        """Wait until the current process has exited and return its code."""
        child = self._children[name]
        try:
            return child.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{name} still runs after {timeout_seconds:.0f} s. {self.tail(name)}") from error

    def supervise(self) -> None:
        """From now on start processes again that exit without having been stopped."""
        if self._supervisor is None:
            self._supervisor = threading.Thread(target=self._keep_running, name="supervisor", daemon=True)
            self._supervisor.start()

    def alive(self, name: str) -> bool:
        """Tell whether the process runs."""
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def names(self) -> list[str]:
        """Return the names of all processes that were ever started."""
        return list(self._children)

    def pid(self, name: str) -> int:
        """Return the pid of the current process."""
        return self._children[name].process.pid

    def exit_codes(self, name: str) -> list[int]:
        """Return the exit codes of the earlier processes of this name, oldest first."""
        return list(self._children[name].exit_codes)

    def resident_bytes(self, name: str) -> int:
        """Return the memory of the process and its children, in bytes; 0 if it does not run."""
        return resident_bytes(self.pid(name)) if self.alive(name) else 0

    def tail(self, name: str) -> str:
        """Return the last lines that the current process wrote."""
        return tail(self._logs / f"{name}.log")

    def _launch(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Running:
        self._logs.mkdir(parents=True, exist_ok=True)
        with mark_start(self._logs / f"{name}.log") as output:
            return self._spawn(argv, env, output)

    def _start_again(self, name: str, child: Child) -> None:
        child.exit_codes.append(child.process.wait())
        child.process = self._launch(name, child.argv, child.environment)
        child.started_at = time.monotonic()
        child.wanted = True
        self._note_children()

    def _note_children(self) -> None:
        known = {name: identify(child.process.pid) for name, child in self._children.items()}
        alive = {name: process for name, process in known.items() if process is not None}
        write_private(self._children_file, _IDENTITIES.dump_json(alive).decode())

    def _keep_running(self) -> None:
        down_since: dict[str, float] = {}
        while not self._ending.wait(POLL_SECONDS):
            with self._lock:
                for name, child in self._children.items():
                    if not child.wanted or child.process.poll() is None:
                        down_since.pop(name, None)
                        continue
                    now = time.monotonic()
                    if name not in down_since:
                        down_since[name] = now
                        healthy = now - child.started_at > self._backoff.healthy_after_seconds
                        child.exits_in_a_row = 1 if healthy else child.exits_in_a_row + 1
                    if now - down_since[name] >= self._pause_seconds(child.exits_in_a_row):
                        self._start_again(name, child)

    def _pause_seconds(self, exits_in_a_row: int) -> float:
        return min(self._backoff.base_seconds * 2.0 ** min(exits_in_a_row - 1, 16), self._backoff.cap_seconds)

    def _ended(self, child: Child, deadline: float) -> int:
        try:
            return child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_group(child.process, signal.SIGKILL)
            return child.process.wait()


def end_left_behind(root: Path, within_seconds: float) -> None:
    """End what a supervisor that was killed has left running."""
    file = root.absolute() / CHILDREN
    if not file.exists():
        return
    left = _IDENTITIES.validate_json(file.read_bytes()).values()
    for process in left:
        send(process, signal.SIGTERM)
    for process in left:
        end(process, signal.SIGTERM, within_seconds)
    file.unlink(missing_ok=True)


def _signal_group(process: Running, number: signal.Signals) -> None:
    # Asked first: after the exit was collected the number may belong to somebody else.
    if process.poll() is None:
        # Gone since; macOS says "not permitted" of a group of which only zombies are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
