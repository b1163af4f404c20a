"""Start, stop and disturb the embedded stack of one root folder.

Each operation holds the folder's lock, so two commands at once do not start two brokers. A server counts as running if
the recorded process, not merely its pid, lives and its port answers.
"""

import os
import shutil
import signal
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from infra.local import record as records
from infra.local.errors import StackError
from infra.local.kafka import broker
from infra.local.launch import end, send
from infra.local.pids import Process, family
from infra.local.postgres import server
from infra.local.processes import end_left_behind
from infra.local.record import Record

# A superuser's URL of a database that the user runs; then none is started here.
GIVEN_DATABASE = "SLUICE_LOCAL_DATABASE_URL"
SERVICES_STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Addresses:
    """Where the stack answers."""

    kafka: str
    postgres: str


def start(root: Path) -> Addresses:
    """Start what does not run yet, wait until all of it answers, and return the addresses."""
    root = root.absolute()
    with records.locked(root):
        records.check_space(root)
        record = records.load_or_create(root)
        found = {name for name in ("kafka", "postgres") if record.running(name)}
        try:
            # Kafka first, waited for last: Postgres starts in the time the broker needs.
            kafka = _launch_kafka(root, record)
            _start_postgres(root, record)
            broker.wait(root, record.ports, kafka)
        except BaseException:
            # Ctrl-C, too: no half stack stays behind that was not there before.
            _stop_servers(root, record, keep=found)
            raise
        return Addresses(kafka=record.kafka, postgres=record.postgres)


def stop(root: Path) -> None:
    """Stop whatever of the stack runs: services first, then the broker, then the database. So are the stacks that tests
    keep below it."""
    root = root.absolute()
    for nested in sorted(root.glob("*/stack.json")):
        stop(nested.parent)
    if not (root / "stack.json").exists():
        return
    with records.locked(root):
        record = records.load(root)
        if record is None:
            return
        services = record.running("services")
        if services:
            end(services, signal.SIGTERM, SERVICES_STOP_SECONDS)
        end_left_behind(root, SERVICES_STOP_SECONDS)
        _stop_servers(root, record, keep=frozenset())


def reset(root: Path) -> None:
    """Stop the stack and delete its data, payloads, logs and record."""
    root = root.absolute()
    stop(root)
    record = records.load(root)
    if record and record.postgres_place and record.postgres_place.parent != root:
        shutil.rmtree(record.postgres_place, ignore_errors=True)
    for name in ("kafka", "postgres", "payloads", "logs"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("stack.json", "postgres.password"):
        (root / name).unlink(missing_ok=True)


def runs(root: Path) -> bool:
    """Tell whether anything that was started in this folder still runs."""
    record = records.load(root.absolute())
    return record is not None and any(record.running(name) for name in record.processes)


def addresses(root: Path) -> Addresses:
    """Return the addresses of a stack that was started before, running or not."""
    record = records.load(root.absolute())
    if record is None or not record.postgres:
        raise StackError(f"There is no stack in {root}. Start it with `make up`.")
    return Addresses(kafka=record.kafka, postgres=record.postgres)


def kill_kafka(root: Path, number: signal.Signals = signal.SIGKILL) -> None:
    """Send the broker a signal; if it is a deadly one, return when it is gone. SIGSTOP makes it hang."""
    _disturb(root, "kafka", number)


def start_kafka(root: Path) -> None:
    """Start the broker again on its port and data, and wait until it answers."""
    root = root.absolute()
    with records.locked(root):
        record = records.load_or_create(root)
        broker.wait(root, record.ports, _launch_kafka(root, record))


def kill_postgres(root: Path, number: signal.Signals = signal.SIGKILL) -> None:
    """Send the database server a signal; if it is a deadly one, return when it and its children are gone. SIGSTOP makes
    all of it hang, sessions too."""
    _disturb(root, "postgres", number)


def start_postgres(root: Path) -> None:
    """Start the database again on its port and data, and wait until it answers."""
    root = root.absolute()
    with records.locked(root):
        _start_postgres(root, records.load_or_create(root))


def _launch_kafka(root: Path, record: Record) -> Process:
    running = record.running("kafka")
    if running:
        return running
    records.check_port(record.ports.kafka, "Kafka")
    records.check_port(record.ports.controller, "Kafka's controller")
    process = broker.start(root, record.ports)
    record.processes["kafka"] = process
    records.save(root, record)
    return process


def _start_postgres(root: Path, record: Record) -> None:
    given = os.environ.get(GIVEN_DATABASE)
    if given:
        server.check_given(given)
        record.postgres = given
        records.save(root, record)
        return
    record.postgres = server.superuser_url(root, record.ports.postgres)
    process = record.running("postgres")
    if process is None:
        records.check_port(record.ports.postgres, "Postgres")
        process = server.start(root, record)
        record.processes["postgres"] = process
    records.save(root, record)
    server.wait(root, record.postgres, process)


def _stop_servers(root: Path, record: Record, keep: AbstractSet[str]) -> None:
    kafka, postgres = record.running("kafka"), record.running("postgres")
    if kafka and "kafka" not in keep:
        broker.stop(root, kafka)
    if postgres and "postgres" not in keep:
        server.stop(postgres)
    record.processes = {name: process for name, process in record.processes.items() if name in keep}
    records.save(root, record)


def _disturb(root: Path, name: str, number: signal.Signals) -> None:
    record = records.load(root.absolute())
    process = record.running(name) if record else None
    if process is None:
        raise StackError(f"{name} does not run in {root}, or was not started by this stack.")
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        end(process, number, within_seconds=30)
    else:
        for row in family(process.pid):
            send(Process(pid=row.pid, born=row.born), number)
