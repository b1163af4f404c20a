"""The supervisor of the services, with small real processes."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.errors import StackError
from infra.local.processes import Backoff, Processes
from tests.support.eventually import wait_until

STAYS = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path, Backoff(base_seconds=0.01, cap_seconds=0.05)) as running:
        yield running


def start(processes: Processes, program: str) -> None:
    processes.start("one", [sys.executable, "-c", program], dict(os.environ))


def is_up(processes: Processes) -> bool:
    return "up" in processes.tail("one")


def test_output_goes_to_a_log_of_the_process_name(processes: Processes, tmp_path: Path) -> None:
    start(processes, "print('hello')")
    assert processes.wait_exit("one") == 0
    assert "hello" in (tmp_path / "logs" / "one.log").read_text()


def test_a_running_name_is_not_started_twice(processes: Processes) -> None:
    start(processes, STAYS)
    with pytest.raises(StackError, match="runs already"):
        start(processes, STAYS)


def test_a_running_process_has_memory_and_a_dead_one_has_none(processes: Processes) -> None:
    start(processes, STAYS)
    wait_until(lambda: is_up(processes))
    assert processes.resident_bytes("one") > 1_000_000
    processes.kill("one", signal.SIGKILL)
    assert processes.wait_exit("one") == -signal.SIGKILL
    assert processes.resident_bytes("one") == 0


def test_restart_gives_a_new_process(processes: Processes) -> None:
    start(processes, STAYS)
    before = processes.pid("one")
    processes.restart("one")
    assert processes.alive("one")
    assert processes.pid("one") != before


def test_a_supervised_process_that_exits_comes_back(processes: Processes) -> None:
    processes.supervise()
    start(processes, "raise SystemExit(70)")
    assert wait_until(lambda: len(processes.exit_codes("one")) >= 2)
    assert set(processes.exit_codes("one")) == {70}


def test_a_stopped_process_stays_down(processes: Processes) -> None:
    processes.supervise()
    start(processes, STAYS)
    start_pid = processes.pid("one")
    assert processes.stop("one") == -signal.SIGTERM
    assert not processes.alive("one")
    assert processes.pid("one") == start_pid


def test_a_process_that_ignores_sigterm_is_killed_at_the_deadline(processes: Processes) -> None:
    start(processes, STUBBORN)
    wait_until(lambda: is_up(processes))
    assert processes.stop_all(timeout_seconds=0.2) == {"one": -signal.SIGKILL}
