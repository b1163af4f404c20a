"""Where and on what a measurement was made, and what else the machine was doing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.quiet import can_tell

PROJECT = Path(__file__).resolve().parents[1]


def describe() -> dict[str, Any]:
    """The machine, the commit, the day, and the machine's load (runnable processes) before anything started."""
    python = f"Python {platform.python_version()}"
    unseen = "" if can_tell() else "; not waited until all was quiet between two measurements"
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}, {_memory_gib()} GiB, {python}{unseen}",
        "commit": _commit(),
        "date": f"{datetime.now(UTC):%F}",
        "load_before": round(os.getloadavg()[0], 1),
    }


def _commit() -> str:
    """The commit, marked if the product's code differs from it: then the figures belong to no commit."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "services", "shared", "infra", "benchmarks/*.py", "benchmarks/peers")
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
