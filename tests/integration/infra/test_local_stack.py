"""The embedded stack for real: one Kafka and one Postgres in a folder of their own, started, killed and stopped."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.local import record as records
from infra.local import stack
from infra.local.errors import StackError
from infra.local.kafka.java import find_java
from infra.local.pids import alive, identify
from infra.local.postgres.binaries import find_binaries
from infra.local.stack import Addresses
from tests.support.eventually import eventually


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stack")
    yield folder
    stack.reset(folder)


@pytest.fixture
def addresses(root: Path) -> Addresses:
    return stack.start(root)


def pids(root: Path) -> dict[str, int]:
    record = records.load(root)
    assert record
    return {name: process.pid for name, process in record.processes.items()}


async def produce(kafka: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def first_value(kafka: str, topic: str) -> bytes | None:
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        message = await asyncio.wait_for(consumer.getone(), timeout=60)
        value: bytes | None = message.value
        return value


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_a_second_start_finds_the_running_stack(root: Path, addresses: Addresses) -> None:
    before = pids(root)
    assert stack.start(root) == addresses
    assert pids(root) == before


def test_a_second_command_finds_it_as_well(root: Path, addresses: Addresses) -> None:
    before = pids(root)
    argv = [sys.executable, "-m", "infra.local", "start", "--root", str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert addresses.kafka in done.stdout
    assert pids(root) == before


def test_secrets_are_readable_by_their_owner_only(root: Path, addresses: Addresses) -> None:
    assert json.loads((root / "stack.json").read_text())["postgres"] == addresses.postgres
    for name in ("stack.json", "postgres.password"):
        assert (root / name).stat().st_mode & 0o777 == 0o600


async def test_a_login_without_the_password_is_refused(addresses: Addresses) -> None:
    head, _, tail = addresses.postgres.rpartition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(f"{head.rpartition(':')[0]}:wrong@{tail}", "SELECT 1")


async def test_what_a_commit_promises_is_switched_on(addresses: Addresses) -> None:
    for name, value in {"fsync": "on", "synchronous_commit": "on", "max_connections": "200"}.items():
        assert await query(addresses.postgres, f"SHOW {name}") == value


async def test_killed_kafka_comes_back_with_its_messages(root: Path, addresses: Addresses) -> None:
    await produce(addresses.kafka, "survives-kill", b"kept")
    old = pids(root)["kafka"]
    await asyncio.to_thread(stack.kill_kafka, root, signal.SIGKILL)
    assert identify(old) is None
    await asyncio.to_thread(stack.start_kafka, root)
    assert await first_value(addresses.kafka, "survives-kill") == b"kept"


async def test_killed_postgres_comes_back_with_its_commits(root: Path, addresses: Addresses) -> None:
    await query(addresses.postgres, "CREATE TABLE survivors AS SELECT 42 AS answer")
    await asyncio.to_thread(stack.kill_postgres, root, signal.SIGKILL)
    with pytest.raises(OSError):
        await query(addresses.postgres, "SELECT 1")
    await asyncio.to_thread(stack.start_postgres, root)
    assert await query(addresses.postgres, "SELECT answer FROM survivors") == 42


async def test_a_frozen_postgres_thaws(root: Path, addresses: Addresses) -> None:
    stack.kill_postgres(root, signal.SIGSTOP)
    stack.kill_postgres(root, signal.SIGCONT)
    assert await eventually(lambda: query(addresses.postgres, "SELECT true"))


async def test_stop_and_start_keep_data_and_ports(root: Path, addresses: Addresses) -> None:
    await produce(addresses.kafka, "survives-stop", b"kept")
    record = records.load(root)
    assert record
    await asyncio.to_thread(stack.stop, root)
    assert not any(alive(process) for process in record.processes.values())
    assert await asyncio.to_thread(stack.start, root) == addresses
    assert await first_value(addresses.kafka, "survives-stop") == b"kept"


def test_a_recycled_pid_is_not_taken_for_the_broker(root: Path, addresses: Addresses) -> None:
    stack.kill_kafka(root)
    record = records.load(root)
    assert record
    # Our own pid, as if the kernel had given the dead broker's number to us.
    record.processes["kafka"] = record.processes["kafka"].model_copy(update={"pid": os.getpid()})
    records.save(root, record)
    stack.start(root)
    assert pids(root)["kafka"] != os.getpid()


def test_a_foreign_pid_in_postgres_own_file_does_not_stop_it(root: Path, addresses: Addresses) -> None:
    stack.kill_postgres(root)
    record = records.load(root)
    assert record and record.postgres_place
    pid_file = record.postgres_place / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert stack.start(root) == addresses


async def test_a_place_of_the_database_that_is_gone_is_chosen_anew(root: Path, addresses: Addresses) -> None:
    await asyncio.to_thread(stack.kill_postgres, root)
    record = records.load(root)
    assert record and record.postgres_place
    shutil.rmtree(record.postgres_place)
    assert await asyncio.to_thread(stack.start, root) == addresses
    assert await query(addresses.postgres, "SELECT true")


def test_a_taken_port_is_named(root: Path, addresses: Addresses) -> None:
    stack.kill_kafka(root)
    port = int(addresses.kafka.rpartition(":")[2])
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind(("127.0.0.1", port))
        intruder.listen()
        with pytest.raises(StackError, match=f"Port {port}, remembered for Kafka, is taken"):
            stack.start(root)


def test_a_server_that_ends_while_starting_shows_its_log(root: Path, addresses: Addresses) -> None:
    stack.kill_postgres(root)
    record = records.load(root)
    assert record and record.postgres_place
    configuration = record.postgres_place / "data" / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text(f"{text}\nno_such_setting = 1\n")
    try:
        with pytest.raises(StackError, match=r"(?s)Postgres ended while starting.*no_such_setting"):
            stack.start(root)
    finally:
        configuration.write_text(text)


def test_missing_java_is_said_in_one_message() -> None:
    with pytest.raises(StackError, match="No Java 17 or newer"):
        find_java({"PATH": ""}, bundled=lambda: None)


def test_an_old_java_is_named(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    with pytest.raises(StackError, match=r"is version 11\.0\.2"):
        find_java({"PATH": str(tmp_path)}, bundled=lambda: None)


def test_missing_postgres_of_the_datas_version_is_said_in_one_message() -> None:
    with pytest.raises(StackError, match="Postgres 99, which wrote the data, was not found"):
        find_binaries({"PATH": ""}, 99, bundled=list)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        stack.start(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="Cannot use"):
        stack.start(tmp_path / "file")
