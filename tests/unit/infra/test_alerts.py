"""The alerts fire when they should, and only then: the rules as Prometheus' own tool judges them."""

import subprocess
from pathlib import Path

import yaml

from tests.support.prometheus import ALERTS, program

PROJECT = Path(__file__).resolve().parents[3]
CASES = Path(__file__).parent / "data" / "alerts.test.yml"


def test_alerts_fire_for_what_they_are_for() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(CASES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_service_is_missed_when_it_is_not_there() -> None:
    """A service that is looked for by name has no `up` at all when none of its processes runs."""
    config = yaml.safe_load((PROJECT / "infra" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    [rule] = [
        rule
        for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if rule["alert"] == "ServiceDown"
    ]
    for job in config["scrape_configs"]:
        assert f'absent(up{{job="{job["job_name"]}"}})' in rule["expr"]
