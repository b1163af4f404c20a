"""What the embedded stack asks the system, as it is answered on other systems, too."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local import pids
from infra.local.errors import StackError
from infra.local.ports import free_port, free_ports


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
def test_without_proc_the_same_is_told_by_ps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", "x" * 300], stdin=subprocess.PIPE) as child:
        known = [row.pid for row in pids.family(os.getpid())]
        monkeypatch.setattr(pids, "PROC", tmp_path)
        process = pids.identify(child.pid)
        assert process
        born = datetime.strptime(process.born, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - born) < timedelta(minutes=30)
        assert pids.alive(process)
        assert child.pid in [row.pid for row in pids.family(os.getpid())]
        assert child.pid in known
        assert pids.resident_bytes(child.pid) > 0
        child.communicate()
    assert not pids.alive(process)


@pytest.mark.parametrize(("soft", "hard", "after"), [(256, 8192, 4096), (256, 1000, 1000), (5000, 8192, 5000)])
def test_the_limit_of_descriptors_is_raised_and_never_lowered(soft: int, hard: int, after: int) -> None:
    program = (
        "import resource; from infra.local.descriptors import raise_descriptor_limit\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "raise_descriptor_limit(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(after), str(hard)]


def test_ports_that_are_given_one_after_the_other_differ() -> None:
    """Those who are given them do not listen there yet."""
    assert len({free_port() for _ in range(500)}) == 500


def test_ports_come_from_the_range_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOCAL_PORTS", "19990-19999")
    found = {port for _ in range(5) for port in free_ports(2)}
    assert found <= set(range(19_990, 20_000))
    with pytest.raises(StackError, match="11 free ports are needed, and between 19990 and 19999 are"):
        free_ports(11)


@pytest.mark.parametrize("given", ["many", "20000", "20001-20000", "0-5", "70000-70001", "65000-65536", "2-3-4"])
def test_a_range_of_ports_that_is_none_is_named(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOCAL_PORTS", given)
    with pytest.raises(StackError, match=f"SLUICE_LOCAL_PORTS is '{given}', expected two ports such as"):
        free_ports(1)
