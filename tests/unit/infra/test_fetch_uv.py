"""`fetch_uv.sh` where Python can make no virtual environment and has no pip: what it does next, and what it says."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
BARE = """#!/bin/sh
case "$PYTHONPATH $*" in
    *pip-1.whl*install*) echo "pip $*" ;;
    *) exit 1 ;;
esac
"""
APT = """#!/bin/sh
case "$*" in *download*) touch python3-pip-whl_1_all.deb ;; esac
"""
DPKG = """#!/bin/sh
mkdir -p usr/share/python-wheels && touch usr/share/python-wheels/pip-1.whl
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """All that there is on a machine, but for what a test adds."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "mkdir", "ln", "rm", "touch"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


def add(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(script, "utf-8")
    (programs / name).chmod(0o755)


def fetch(programs: Path) -> subprocess.CompletedProcess[str]:
    argv = ["sh", str(PROJECT / "infra" / "local" / "fetch_uv.sh"), "some tools"]
    environment = {"PATH": str(programs)}
    return subprocess.run(argv, cwd=programs.parent, env=environment, capture_output=True, text=True, check=False)


def test_without_python_it_says_what_it_needs(programs: Path) -> None:
    done = fetch(programs)
    assert (done.returncode, done.stderr) == (1, "make setup needs uv or python3; neither is installed.\n")


def test_where_nothing_leads_to_pip_it_says_what_to_install(programs: Path) -> None:
    add(programs, "python3", BARE)
    done = fetch(programs)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_apt_fetches_pip_for_this_folder_alone(programs: Path) -> None:
    for name, script in (("python3", BARE), ("apt-get", APT), ("dpkg-deb", DPKG)):
        add(programs, name, script)
    done = fetch(programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--require-hashes" in done.stdout
    assert "--target some tools/lib" in done.stdout
    tools = programs.parent / "some tools"
    assert [entry.name for entry in tools.iterdir()] == ["bin"]


def test_an_apt_that_fails_leads_to_the_same_words(programs: Path) -> None:
    for name, script in (("python3", BARE), ("apt-get", "#!/bin/sh\nexit 100\n"), ("dpkg-deb", DPKG)):
        add(programs, name, script)
    done = fetch(programs)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
