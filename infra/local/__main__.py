"""`python -m infra.local`: the embedded stack from the command line."""

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from infra.local import record as records
from infra.local import services, stack
from infra.local.beginning import PROJECT
from infra.local.errors import StackError
from infra.local.pids import resident_bytes
from infra.local.postgres.binaries import find_binaries

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Kafka and Postgres under your own account.")
Root = Annotated[Path, typer.Option("--root", help="Folder of the stack: data, logs, ports, pids.")]
DEFAULT_ROOT = PROJECT / ".sluice"


@app.command()
def start(root: Root = DEFAULT_ROOT) -> None:
    """Start Kafka and Postgres in the background, or find them running."""
    stack.start(root)
    _print_status(root)


@app.command()
def run(root: Root = DEFAULT_ROOT) -> None:
    """Start Kafka and Postgres, wait for Ctrl-C, and stop them."""
    stopping = threading.Event()
    stack.start(root)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _print_status(root)
    typer.echo("Ctrl-C stops the stack.")
    stopping.wait()
    stack.stop(root)


@app.command()
def up(root: Root = DEFAULT_ROOT) -> None:
    """Start the stack and the services in the background."""
    services.up(root)
    _print_status(root)
    typer.echo(services.command_environment(root))


@app.command(hidden=True)
def serve(
    root: Root = DEFAULT_ROOT, simulator: Annotated[bool, typer.Option("--simulator", help="and the simulator")] = False
) -> None:
    """Keep the services running (what `up` leaves in the background)."""
    services.serve(root, simulator=simulator)


@app.command()
def stop(root: Root = DEFAULT_ROOT) -> None:
    """Stop services, Kafka and Postgres; data stay."""
    stack.stop(root)
    typer.echo("Stopped.")


@app.command()
def status(root: Root = DEFAULT_ROOT) -> None:
    """Show addresses, pids and memory; exit code 1 if something does not run."""
    if not _print_status(root):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, root: Root = DEFAULT_ROOT) -> None:
    """Open psql as the database's superuser; further arguments are passed on."""
    url = urlsplit(stack.addresses(root).postgres)
    folder = find_binaries(os.environ, None).folder
    program = shutil.which("psql") or str(folder / "psql")
    # In the environment: arguments can be read by every user of the machine.
    where = {"PGHOST": url.hostname, "PGPORT": str(url.port or 5432), "PGDATABASE": url.path.lstrip("/")}
    login = {"PGUSER": unquote(url.username or ""), "PGPASSWORD": unquote(url.password or "")}
    environment = {name: value for name, value in {**os.environ, **where, **login}.items() if value}
    os.execve(program, [program, *context.args], environment)


@app.command()
def reset(root: Root = DEFAULT_ROOT) -> None:
    """Stop everything and delete data and logs."""
    stack.reset(root)
    typer.echo(f"Deleted the stack's data in {root}.")


def _print_status(root: Path) -> bool:
    record = records.load(root.absolute())
    if record is None:
        typer.echo(f"No stack in {root}.")
        return False
    given = bool(record.postgres) and f":{record.ports.postgres}/" not in record.postgres
    complete = True
    for name, address in (("kafka", record.kafka), ("postgres", _without_password(record.postgres))):
        process = record.running(name)
        absent = "given" if given and name == "postgres" else "not running"
        complete = complete and (process is not None or absent == "given")
        typer.echo(f"{name:10}{address:70}{_describe(process.pid) if process else absent}")
    if "services" in record.processes:
        supervisor = record.running("services")
        complete = complete and supervisor is not None
        state = _describe(supervisor.pid) if supervisor else "not running"
        typer.echo(f"{'services':10}{services.gateway_url(root):70}{state}")
    return complete


def _describe(pid: int) -> str:
    return f"pid {pid}, {resident_bytes(pid) / 2**20:.0f} MiB"


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.rpartition(':')[0]}:***{at}{tail}" if at else url


def main() -> None:
    """Run a command; a known problem is one message, not a traceback."""
    try:
        app()
    except StackError as error:
        typer.echo(f"sluice: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
