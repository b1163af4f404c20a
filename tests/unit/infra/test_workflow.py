"""The workflows test what they name: a line of the matrix its Python, the nightly one the newest Kafka."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import PROJECT

JARS = Path("infra", "local", "kafka", "jgo.toml")


def workflow(name: str) -> Any:
    return yaml.safe_load((PROJECT / ".github" / "workflows" / name).read_text("utf-8"))


def test_make_takes_the_python_that_the_matrix_names() -> None:
    job = workflow("check.yml")["jobs"]["check"]
    [(variable, value)] = job["env"].items()
    assert value == "${{ matrix.python }}"
    for version in job["strategy"]["matrix"]["python"]:
        environment = {**os.environ, variable: version}
        argv = ["make", "--print-data-base", "--question", "--no-builtin-rules", "help"]
        said = subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False).stdout
        assert f"\nPYTHON = {version}\n" in said


def test_each_night_asks_for_the_newest_kafka_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / JARS).parent.mkdir(parents=True)
    shutil.copy(PROJECT / JARS, tmp_path / JARS)
    nightly = workflow("newest-kafka.yml")
    assert nightly[True]["schedule"], "YAML reads the word on as true"
    commands = [step["run"] for step in nightly["jobs"]["check"]["steps"] if "run" in step]
    asks = commands.index(next(one for one in commands if str(JARS) in one))
    subprocess.run(["bash", "-c", commands[asks]], cwd=tmp_path, check=True)
    before, after = (
        tomllib.loads((folder / JARS).read_text("utf-8"))["dependencies"]["coordinates"]
        for folder in (PROJECT, tmp_path)
    )
    assert after == ["org.apache.kafka:kafka_2.13:RELEASE", *before[1:]]
    assert asks < commands.index("make lock-jars") < commands.index("bash .ci/run")
