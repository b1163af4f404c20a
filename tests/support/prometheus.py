"""Prometheus' programs: of the machine, or Debian's package unpacked once."""

import shutil
import subprocess
from contextlib import suppress

import pytest

from infra.local.beginning import PROJECT

ALERTS = PROJECT / "infra" / "prometheus" / "alerts.yml"
KEPT = PROJECT / ".sluice" / "tools" / "prometheus"


def program(name: str) -> str:
    """Where `prometheus` or `promtool` is; the test is skipped where it cannot be had."""
    found = shutil.which(name) or shutil.which(name, path=str(KEPT / "usr" / "bin"))
    if found is None and shutil.which("apt-get") and shutil.which("dpkg"):
        KEPT.mkdir(parents=True, exist_ok=True)
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["apt-get", "download", "prometheus"], cwd=KEPT, capture_output=True, check=False, timeout=120
            )
        for package in KEPT.glob("prometheus_*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(KEPT)], check=False)
            package.unlink()
        found = shutil.which(name, path=str(KEPT / "usr" / "bin"))
    if found is None:
        pytest.skip(f"there is no {name} here, and none can be had")
    return found
