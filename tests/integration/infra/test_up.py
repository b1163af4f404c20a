"""`make up` and `make stop` as a person meets them: what is said to run answers, and what is stopped is gone."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncpg
import pytest
from typer.testing import CliRunner

from infra.local import record as records
from infra.local import services, stack
from infra.local.__main__ import app
from infra.local.pids import Process, alive, family
from shared.database.address import Login
from tests.support.eventually import wait_until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("up") / "stack"
    yield folder
    stack.reset(folder)


def running(root: Path) -> set[str]:
    record = records.load(root)
    assert record
    return {name for name in ("kafka", "postgres", "services") if record.running(name)}


def title(url: str) -> str:
    with urlopen(f"{url}/openapi.json", timeout=60) as answer:
        found: str = json.load(answer)["info"]["title"]
    return found


def test_a_second_up_shows_where_everything_runs(root: Path) -> None:
    up = CliRunner().invoke(app, ["up", "--root", str(root)])
    assert up.exit_code == 0, up.output
    gateway, addresses = services.gateway_url(root), stack.addresses(root)
    assert title(gateway) == "Sluice"
    *standing, last = up.stdout.splitlines()
    password = urlsplit(addresses.postgres).password or "?"
    places = [addresses.kafka, addresses.postgres.replace(password, "***"), gateway]
    assert [line.split()[:2] for line in standing] == [
        list(one) for one in zip(("kafka", "postgres", "services"), places, strict=True)
    ]
    assert last == f"export SLUICE_URL={gateway} SLUICE_KAFKA={addresses.kafka}"


def test_a_service_knows_its_own_password_alone_and_can_log_in_as_nobody_else(root: Path) -> None:
    addresses = services.up(root)
    roles = [name.replace("-", "_") for name in services.MODULES]
    for service, own in zip(services.MODULES, roles, strict=True):
        environment = services.environment(root, addresses, service)
        assert [name for name in environment if name.endswith("_password")] == [f"{own}_password"]
        login = Login(environment["SLUICE_DATABASE_URL"], environment[f"{own}_password"])
        assert [role for role in roles if asyncio.run(may_log_in(login, role))] == [own]


async def may_log_in(login: Login, role: str) -> bool:
    try:
        connection = await asyncpg.connect(login.url.replace("{service}", role), password=login.password)
    except asyncpg.InvalidPasswordError:
        return False
    await connection.close()
    return True


def test_the_simulator_comes_to_services_that_run_already(root: Path) -> None:
    services.up(root)
    services.up(root, simulator=True)
    with urlopen(f"{services.simulator_url(root)}/_control/proxies", timeout=60) as answer:
        assert answer.status == 200
    assert title(services.gateway_url(root)) == "Sluice"


def test_a_secret_reaches_services_that_run_already(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services.up(root, simulator=True)
    before = records.load(root)
    assert before
    servers = {name: before.processes[name] for name in ("kafka", "postgres")}
    monkeypatch.setenv("ACME_UP_TOKEN", "secret")
    up = CliRunner().invoke(app, ["up", "--root", str(root)])
    assert up.exit_code == 0, up.output
    assert "The services are started again: ACME_UP_TOKEN is new." in up.stderr
    after = records.load(root)
    assert after
    assert after.running("services") != before.processes["services"]
    assert {name: after.running(name) for name in servers} == servers
    with urlopen(f"{services.simulator_url(root)}/_control/proxies", timeout=60) as answer:
        assert answer.status == 200
    monkeypatch.delenv("ACME_UP_TOKEN")
    again = CliRunner().invoke(app, ["up", "--root", str(root)])
    assert again.stderr == ""
    still = records.load(root)
    assert still
    assert still.running("services") == after.processes["services"]


def test_a_stop_also_stops_the_stacks_below(root: Path) -> None:
    services.up(root)
    assert running(root) == {"kafka", "postgres", "services"}
    stack.stop(root.parent)
    assert running(root) == set()


def test_a_supervisor_that_was_killed_leaves_nobody_behind(root: Path) -> None:
    services.up(root)
    first = kill_supervisor(root)
    status = CliRunner().invoke(app, ["status", "--root", str(root)])
    assert (status.exit_code, status.stdout.splitlines()[-1].split()[-2:]) == (1, ["not", "running"])
    services.up(root)
    assert CliRunner().invoke(app, ["status", "--root", str(root)]).exit_code == 0
    assert not any(alive(process) for process in first)
    second = kill_supervisor(root)
    stack.stop(root)
    assert not any(alive(process) for process in second)


def kill_supervisor(root: Path) -> list[Process]:
    record = records.load(root)
    assert record
    supervisor = record.processes["services"]
    children = [Process(pid=row.pid, born=row.born) for row in family(supervisor.pid)[1:]]
    assert len(children) >= len(services.MODULES)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not alive(supervisor))
    return children


def test_the_gateway_gives_way_to_whoever_has_its_port(root: Path) -> None:
    services.up(root)
    stack.stop(root)
    before = records.load_or_create(root).ports
    with socket.create_server(("127.0.0.1", before.gateway)):
        services.up(root)
        after = records.load_or_create(root).ports
        assert after == before.model_copy(update={"gateway": after.gateway})
        assert after.gateway != before.gateway
        assert title(services.gateway_url(root)) == "Sluice"


def test_a_reset_leaves_nothing_of_the_data(root: Path) -> None:
    payload = root / "payloads" / "1-0"
    payload.parent.mkdir(parents=True, exist_ok=True)
    payload.write_bytes(b"{}")
    stack.reset(root)
    assert not any((root / name).exists() for name in ("kafka", "postgres", "payloads", "logs", "stack.json"))
