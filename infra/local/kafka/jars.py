"""The broker's jars: exactly those of the lock, each checked against its SHA-256 before use.

They are fetched once per user, by jgo, into `$M2_REPO` or the user's cache folder. jgo's own settings file can name
other Maven repositories (a mirror of a company: key `central` under `[repositories]`).
"""

import fcntl
import hashlib
import os
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import StackError

LOCK = Path(__file__).with_name("jgo.lock.toml")
FETCHES_AT_ONCE = 6
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    group: str
    name: str
    version: str
    sha256: str

    def below(self, cache: Path) -> Path:
        """Return where the jar lies in a folder of Maven's layout."""
        return cache / self.group.replace(".", "/") / self.name / self.version / f"{self.name}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """Read the lock, in class path order."""
    lock = tomllib.loads(LOCK.read_text())
    return [
        Jar(entry["groupId"], entry["artifactId"], entry["version"], entry["sha256"]) for entry in lock["dependencies"]
    ]


def choose_cache(root: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder for jars: the user's, or one below the root for a user without a home."""
    if "M2_REPO" in environment:
        return Path(environment["M2_REPO"])
    home = environment.get("HOME", "")
    base = Path(environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else root))
    cache = base / "sluice" / "jars"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return root / "jars"
    return cache if os.access(cache, os.W_OK) else root / "jars"


def provide(cache: Path) -> list[Path]:
    """Return the paths of all jars, fetched where they are missing or damaged."""
    jars = locked_jars()
    paths = [jar.below(cache) for jar in jars]
    if all(map(_is_intact, jars, paths)):
        return paths
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "sluice.lock").open("a") as lock:
            # Two stacks that start at once: the second finds the jars of the first.
            fcntl.flock(lock, fcntl.LOCK_EX)
            _fetch([jar for jar in jars if not _is_intact(jar, jar.below(cache))], cache)
    except PermissionError as error:
        raise StackError(f"Cannot store Kafka's jars in {cache}: {error}. Set M2_REPO to another folder.") from error
    return paths


def _fetch(missing: list[Jar], cache: Path) -> None:
    # Imported late: once the jars are there nobody needs jgo, and it takes a third of a second.
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as error:
        raise StackError("jgo, which fetches Kafka's jars, is not installed. Run `make setup`.") from error

    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    maven = MavenContext(repo_cache=cache, remote_repos=repositories, timeout=TIMEOUT_SECONDS)

    def fetch(jar: Jar) -> None:
        # What an interrupted fetch left behind, or somebody changed.
        jar.below(cache).unlink(missing_ok=True)
        maven.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()
        if not _is_intact(jar, jar.below(cache)):
            jar.below(cache).unlink()
            raise StackError(f"{jar.name}-{jar.version}.jar from the Maven repository does not match its checksum.")

    with ThreadPoolExecutor(FETCHES_AT_ONCE) as threads:
        try:
            list(threads.map(fetch, missing))
        except (OSError, RuntimeError) as error:
            if isinstance(error, PermissionError):
                raise
            raise StackError(
                f"Cannot fetch Kafka's jars ({len(missing)} missing) from Maven Central: {type(error).__name__}. "
                "The first start needs the network; a mirror can be named in jgo's settings file (~/.config/jgo.conf)."
            ) from error


def _is_intact(jar: Jar, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False
