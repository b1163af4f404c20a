"""What a stack remembers about itself: `stack.json` in its root folder, and the lock that guards it.

The file holds the superuser's URL, so only its owner may read it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from infra.local.beginning import Beginning
from infra.local.errors import StackError
from infra.local.pids import Process, alive
from infra.local.ports import free_ports, is_free

FREE_BYTES_NEEDED = 512 * 1024 * 1024
GATEWAY_PORT = 8080


class Ports(BaseModel):
    """The ports of a stack, chosen once. The gateway has its usual one where that is free."""

    kafka: int
    controller: int
    postgres: int
    gateway: int
    simulator: int


class Record(BaseModel):
    """The contents of `stack.json`."""

    kafka: str
    postgres: str = ""
    ports: Ports
    processes: dict[str, Process] = {}
    # What the services that run were started with.
    services_began: Beginning | None = None
    # Where the database's files are, when they could not be put below the root.
    postgres_place: Path | None = None

    def running(self, name: str) -> Process | None:
        """Return the recorded process if it still lives."""
        process = self.processes.get(name)
        return process if alive(process) else None


def load(root: Path) -> Record | None:
    """Read the record of a stack, or None if there never was one."""
    path = root / "stack.json"
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StackError(f"Cannot read {path}: it belongs to another user, who may have started this stack.") from error
    except ValidationError as error:
        raise StackError(f"{path} is damaged. Delete it: data stay, new ports are chosen.") from error


def load_or_create(root: Path) -> Record:
    """Read the record of a stack; a new one gets free ports."""
    record = load(root)
    if record is None:
        free = free_ports(5)
        gateway = GATEWAY_PORT if is_free(GATEWAY_PORT) else free[3]
        ports = Ports(kafka=free[0], controller=free[1], postgres=free[2], gateway=gateway, simulator=free[4])
        record = Record(kafka=f"127.0.0.1:{ports.kafka}", ports=ports)
        save(root, record)
    return record


def give_way(root: Path, record: Record) -> None:
    """Choose other ports for gateway and simulator where another program, or another stack, has taken theirs. Nothing
    that is kept depends on them, as it does on those of Kafka and Postgres."""
    taken = [name for name in ("gateway", "simulator") if not is_free(getattr(record.ports, name))]
    if taken and record.running("services") is None:
        record.ports = record.ports.model_copy(update=dict(zip(taken, free_ports(len(taken)), strict=True)))
        save(root, record)


def save(root: Path, record: Record) -> None:
    """Replace the record in one step, readable by its owner only."""
    write_private(root / "stack.json", record.model_dump_json(indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; a reader sees the old text or the new."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one process at a time start or stop the stack; others wait."""
    try:
        (root / "logs").mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise StackError(f"Cannot write below {root}: {error.strerror} ({error.filename}).") from error
    except OSError as error:
        raise StackError(f"Cannot use {root}: {error}.") from error


def check_space(root: Path) -> None:
    """Refuse to start on a disk that is about to be full: both stores stop hard when it happens later."""
    status = os.statvfs(root)
    free_bytes = status.f_bavail * status.f_frsize
    if free_bytes < FREE_BYTES_NEEDED:
        raise StackError(
            f"Only {free_bytes // 2**20} MiB are free at {root}; the stack needs {FREE_BYTES_NEEDED // 2**20} MiB."
        )


def check_port(port: int, owner: str) -> None:
    """Refuse a remembered port that another program has taken meanwhile."""
    if not is_free(port):
        raise StackError(
            f"Port {port}, remembered for {owner}, is taken by another program. Stop that program, "
            "or delete stack.json in the stack's folder: data stay, new ports are chosen."
        )
