"""The steps that build the image, run in a clean environment: only what the image has, and what its lock installs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.local.beginning import PROJECT

DOCKERFILE = (PROJECT / "infra" / "image" / "Dockerfile").read_text("utf-8")
SECOND_STAGE = DOCKERFILE.partition("WORKDIR /app")[2]
COPIED = re.findall(r"^COPY (\S+) (\S+)$", SECOND_STAGE, re.MULTILINE)
[CHECK] = re.findall(r"^RUN (python .*)$", SECOND_STAGE, re.MULTILINE)
VENV = "/opt/sluice"


def install(venv: Path) -> None:
    """What `pip install --require-hashes` does there, by uv, which has most of it in its cache."""
    uv = shutil.which("uv") or str(PROJECT / ".sluice" / "tools" / "bin" / "uv")
    lock = PROJECT / "requirements-run.lock"
    subprocess.run([uv, "venv", "--quiet", venv], check=True)
    sync = [uv, "pip", "sync", "--quiet", "--python", str(venv / "bin" / "python"), "--require-hashes", str(lock)]
    subprocess.run(sync, check=True)


def copy(venv: Path, app: Path) -> None:
    for source, target in COPIED:
        place = venv / Path(target).relative_to(VENV) if target.startswith(VENV) else app / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / source).is_dir():
            shutil.copytree(PROJECT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(PROJECT / source, place)


def test_the_image_has_all_that_its_programs_import(tmp_path: Path) -> None:
    venv, app = tmp_path / "venv", tmp_path / "app"
    install(venv)
    copy(venv, app)
    place = {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(app), "HOME": str(tmp_path)}
    place["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(["sh", "-c", CHECK], cwd=app, env=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "submit" in done.stdout
