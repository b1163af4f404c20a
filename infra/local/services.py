"""The product's services on the embedded stack: what runs, with which settings, and the steps before it.

`up` runs the steps one after the other, then leaves a supervisor in the background that keeps the services running
until `stop`.
"""

import asyncio
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import typer

from infra.local import record as records
from infra.local import stack
from infra.local.beginning import PROJECT, beginning, difference
from infra.local.descriptors import raise_descriptor_limit
from infra.local.errors import StackError
from infra.local.launch import answered, end, launch, tail, wait_until_ready
from infra.local.processes import Processes, end_left_behind
from infra.local.stack import Addresses
from shared.events.catalogue import SERVICES

# Modules run once before the services, in this order; each must be safe to run again.
STEPS: tuple[str, ...] = ("services.provision",)
DATABASE = "sluice"
PASSWORD = "{service}_password"
"""The variable with the password of a service's role; each process gets its own alone."""

ANSWER_SECONDS = 60.0
_OF_THE_COMMAND = ("SLUICE_URL", "SLUICE_KAFKA", "SLUICE_API_KEY")
"""What the `sluice` command reads is none of the services' business."""
MODULES: dict[str, str] = {name: f"services.{name.replace('-', '_')}" for name in SERVICES}


def environment(root: Path, addresses: Addresses, *logins: str) -> dict[str, str]:
    """The environment of services: the caller's own plus where the stack answers and keeps payloads, and the
    passwords of the services named in `logins`.

    Each service logs in as its own role; the superuser's password is known to the steps before them alone.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLUICE_LOCAL_") and name not in _OF_THE_COMMAND
    }
    server = urlsplit(database_url(addresses))
    record = records.load(root)
    gateway = record.ports.gateway if record else records.GATEWAY_PORT
    login = f"sluice_{{service}}@{server.netloc.rsplit('@', 1)[-1]}"
    passwords = {
        PASSWORD.format(service=name.replace("-", "_")): sha256(f"{name} {server.password}".encode()).hexdigest()[:32]
        for name in logins
    }
    return {
        **inherited,
        **passwords,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")])),
        "PYTHONUNBUFFERED": "1",
        "SLUICE_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka,
        "SLUICE_DATABASE_URL": urlunsplit(server._replace(netloc=login)),
        "SLUICE_DATABASE_PASSWORD": f"env:{PASSWORD}",
        "SLUICE_PAYLOAD_STORE": (root / "payloads").as_uri(),
        "SLUICE_GATEWAY_PORT": str(gateway),
        "SLUICE_GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{gateway}",
        "SLUICE_CALLBACK_KEY": f"file:{_callback_key(root)}",
    }


def database_url(addresses: Addresses) -> str:
    """The URL with which the superuser logs in to the services' database."""
    return urlunsplit(urlsplit(addresses.postgres)._replace(path=f"/{DATABASE}"))


def _callback_key(root: Path) -> Path:
    """Make the key of callback URLs once; only its owner may read it."""
    path = root.absolute() / "callback.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path


def step_environment(root: Path, addresses: Addresses) -> dict[str, str]:
    """The environment of the steps, which create roles, schemas and topics."""
    return {**environment(root, addresses, *SERVICES), "SLUICE_ADMIN_DATABASE_URL": addresses.postgres}


def up(root: Path, *, simulator: bool = False) -> Addresses:
    """Start the stack, run the steps, and leave the services running in the background, with the vendor simulator
    beside them if wanted; return once they answer. Services that run with other code, or without a variable that is
    set now, are started again."""
    root = root.absolute()
    missing = [module for module in (*STEPS, *MODULES.values()) if not _exists(module)]
    if missing:
        raise StackError(f"These modules cannot be run: {', '.join(missing)}.")
    addresses = stack.start(root)
    with records.locked(root):
        record = records.load_or_create(root)
        simulator = _end_outdated(root, record, addresses, simulator=simulator)
        for module in STEPS:
            _run_step(root, module, addresses)
        if record.running("services") is None:
            _start(root, record, addresses, simulator=simulator)
        _wait_for(root, record, "callback-gateway", record.ports.gateway)
        if simulator:
            _wait_for(root, record, "simulator", record.ports.simulator)
    return addresses


def _end_outdated(root: Path, record: records.Record, addresses: Addresses, *, simulator: bool) -> bool:
    """End services that run otherwise than they would be started now, before the schemas change below them; tell
    whether the simulator is to run beside the next ones: if it is wanted, or ran beside these."""
    running = record.running("services")
    if running is None:
        return simulator
    simulates = answered(lambda: _listens(record.ports.simulator))
    why = difference(record.services_began, beginning(environment(root, addresses)))
    if why:
        typer.echo(f"The services are started again: {why}.", err=True)
    if why or (simulator and not simulates):
        end(running, signal.SIGTERM, stack.SERVICES_STOP_SECONDS)
    return simulator or simulates


def _start(root: Path, record: records.Record, addresses: Addresses, *, simulator: bool) -> None:
    end_left_behind(root, stack.SERVICES_STOP_SECONDS)
    records.give_way(root, record)
    argv = [sys.executable, "-m", "infra.local", "serve", "--root", str(root)]
    argv += ["--simulator"] if simulator else []
    env = environment(root, addresses)
    record.processes["services"] = launch(argv, log=root / "logs" / "services.log", environment=env)
    record.services_began = beginning(env)
    records.save(root, record)


def _wait_for(root: Path, record: records.Record, name: str, port: int) -> None:
    log, supervisor = root / "logs" / f"{name}.log", record.processes["services"]
    wait_until_ready(f"The {name}", supervisor, log, lambda: _listens(port), ANSWER_SECONDS)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def choose_ports(root: Path) -> None:
    """Let gateway and simulator of a stack whose services do not run give way to whoever has their ports."""
    with records.locked(root):
        records.give_way(root, records.load_or_create(root))


def serve(root: Path, *, simulator: bool = False) -> None:
    """Keep the services running until SIGTERM or Ctrl-C, then stop them."""
    root = root.absolute()
    raise_descriptor_limit()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    addresses = stack.addresses(root)
    with Processes(root) as processes:
        for name, module in MODULES.items():
            env = environment(root, addresses, name)
            processes.start(name, [sys.executable, "-m", module], {**env, "SLUICE_REPLICA": "1"})
        if simulator:
            record = records.load_or_create(root)
            argv = [sys.executable, "-m", "infra.simulator", "--port", str(record.ports.simulator)]
            processes.start("simulator", argv, environment(root, addresses))
        processes.supervise()
        stopping.wait()


def gateway_url(root: Path) -> str:
    """Where the gateway of a stack answers."""
    return f"http://127.0.0.1:{records.load_or_create(root.absolute()).ports.gateway}"


def command_environment(root: Path) -> str:
    """What the shell has to know for `sluice` to find this stack."""
    return f"export SLUICE_URL={gateway_url(root)} SLUICE_KAFKA={stack.addresses(root).kafka}"


def simulator_url(root: Path) -> str:
    """Where the vendor simulator of a stack answers."""
    return f"http://127.0.0.1:{records.load_or_create(root.absolute()).ports.simulator}"


def _run_step(root: Path, module: str, addresses: Addresses) -> None:
    log = root / "logs" / f"{module}.log"
    with log.open("wb") as output:
        argv = [sys.executable, "-m", module]
        done = subprocess.run(
            argv, env=step_environment(root, addresses), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise StackError(f"`python -m {module}` failed with exit code {done.returncode}. {tail(log)}")


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
