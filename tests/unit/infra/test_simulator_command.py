"""What is wrong with the simulator's arguments is told in a line."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]


def simulator(*arguments: str) -> tuple[int, str]:
    program = [sys.executable, "-m", "infra.simulator", *arguments]
    done = subprocess.run(program, cwd=PROJECT, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stderr.decode().splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file or directory"),
        ('{"vendors": {"acme": {"recordz": 1}}}', "vendors.acme.recordz: Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_is_no_good_is_told_with_its_place(text: str | None, told: str, tmp_path: Path) -> None:
    config = tmp_path / "vendors.json"
    if text is not None:
        config.write_text(text)
    code, line = simulator("--config", str(config))
    assert code == 2
    assert str(config) in line and told in line


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, line = simulator("--port", port)
    assert code == 2
    assert line.endswith(f"cannot listen at 127.0.0.1:{port}: Address already in use")
