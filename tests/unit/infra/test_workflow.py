"""Each line of the workflow's matrix tests the Python that it names."""

import os
import subprocess

import yaml

from tests.support.cluster import PROJECT


def test_make_takes_the_python_that_the_matrix_names() -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "check.yml").read_text("utf-8"))
    job = workflow["jobs"]["check"]
    [(variable, value)] = job["env"].items()
    assert value == "${{ matrix.python }}"
    for version in job["strategy"]["matrix"]["python"]:
        environment = {**os.environ, variable: version}
        argv = ["make", "--print-data-base", "--question", "--no-builtin-rules", "help"]
        said = subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False).stdout
        assert f"\nPYTHON = {version}\n" in said
