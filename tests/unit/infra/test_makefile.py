"""`make stop` and `make clean` where the Python that would end the servers has vanished."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
RUNS = '{"processes": {"kafka": {"pid": 1, "born": "then"}}}'
STOPPED = '{"processes": {}}'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment, and a uv that cannot make one."""
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    shutil.copy(PROJECT / "Makefile", tmp_path)
    shutil.copy(PROJECT / "requirements.lock", tmp_path)
    (tmp_path / "bin").mkdir()
    uv = tmp_path / "bin" / "uv"
    uv.write_text('#!/bin/sh\necho "uv $*"\nexit 7\n', "utf-8")
    uv.chmod(0o755)
    return tmp_path


def make(checkout: Path, target: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(checkout / "bin"), os.environ["PATH"]))
    return subprocess.run(
        ["make", target], cwd=checkout, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("place", ["stack.json", "tests/stack.json", "children.json"])
@pytest.mark.parametrize("target", ["stop", "clean"])
def test_servers_that_may_run_are_not_passed_over(checkout: Path, target: str, place: str) -> None:
    record = checkout / ".sluice" / place
    record.parent.mkdir(parents=True)
    record.write_text(RUNS, "utf-8")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
    done = make(checkout, target)
    assert done.returncode != 0
    assert "uv venv" in done.stdout, "an environment is made first"
    assert record.exists()


@pytest.mark.parametrize("target", ["stop", "clean"])
def test_without_servers_no_environment_is_needed(checkout: Path, target: str) -> None:
    record = checkout / ".sluice" / "stack.json"
    record.parent.mkdir()
    record.write_text(STOPPED, "utf-8")
    done = make(checkout, target)
    assert (done.returncode, "uv" in done.stdout) == (0, False), done
    assert record.exists() == (target == "stop")
