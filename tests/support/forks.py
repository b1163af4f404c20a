"""Service processes as forks of one that has imported them all: importing takes longer than most tests."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import BinaryIO

from infra.local.processes import Running, Spawn, execute

PRELOADED = [
    *("services.planner.app", "services.fetcher.app", "services.processor.app", "services.scheduler.app"),
    *("services.callback_gateway.app", "infra.simulator"),
]


class Fork:
    """A process that runs a module, with what `subprocess` would answer about it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        here, there = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(argv, dict(environment), log, there))
        # Two threads that ask at once would share one answer.
        self._lock = threading.Lock()
        self._process.start()
        there.close()
        with here:
            here.recv()

    @property
    def pid(self) -> int:
        """Of the process and its group."""
        return self._process.pid or 0

    def poll(self) -> int | None:
        """The exit code, or nothing while it runs."""
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one."""
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        return code


def fork(argv: Sequence[str], environment: Mapping[str, str], output: BinaryIO) -> Running:
    """Run `python -m module …` without the start of an interpreter."""
    return Fork(argv, environment, output.name)


# A child of macOS that goes on without `exec` may die in the system's own libraries.
spawn: Spawn = execute if sys.platform == "darwin" else fork


def _run(argv: Sequence[str], environment: dict[str, str], log: str, ready: Connection) -> None:
    os.setsid()
    ready.send(True)
    ready.close()
    with open(log, "ab", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    _, _, module, *arguments = argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
