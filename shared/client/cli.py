"""The `sluice` command. Exit codes: 0 good, 1 the job did not complete, 2 usage, connection or mistakes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from shared.client import documents
from shared.client.client import Action, SluiceClient
from shared.client.models import Job
from shared.client.progress import watch as watch_job
from shared.errors import Invalid, SluiceError

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Ask Sluice for jobs, follow them, configure it.")
console = Console()
errors = Console(stderr=True)

Server = Annotated[str, typer.Option("--server", envvar="SLUICE_URL", help="address of the gateway")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of tables")]
JobId = Annotated[str, typer.Argument(help="the job's id")]
LOCAL = "http://127.0.0.1:8080"


def run(server: str, work: Callable[[SluiceClient], Awaitable[T]]) -> T:
    """Run one command's work; mistakes and refusals end it with code 2 and a clear text."""

    async def inside() -> T:
        async with SluiceClient(server) as client:
            return await work(client)

    try:
        return asyncio.run(inside())
    except SluiceError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def submit(
    file: Annotated[str | None, typer.Argument(help="YAML or JSON file of a job; - reads standard input")] = None,
    url: Annotated[str | None, typer.Option(help="poll this URL instead of a file")] = None,
    source: Annotated[str | None, typer.Option(help="run this source instead of a file")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="asking again gives the same job")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="follow the job to its end")] = False,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """Ask for a job."""
    document = _job_document(file, url, source)

    async def work(client: SluiceClient) -> Job | None:
        reference = await client.submit(document, idempotency_key=key)
        if as_json:
            console.print_json(reference.model_dump_json())
        else:
            console.print(f"job {reference.id}", highlight=False)
        return await watch_job(client, reference.id, console) if follow else None

    job = run(server, work)
    if job is not None:
        _end(job)


@app.command()
def watch(job_id: JobId, server: Server = LOCAL) -> None:
    """Follow a job to its end."""
    _end(run(server, lambda client: watch_job(client, job_id, console)))


@app.command()
def status(job_id: JobId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Show a job as it stands."""
    job = run(server, lambda client: client.job(job_id))
    if as_json:
        console.print_json(job.model_dump_json())
    else:
        _show(job)


@app.command()
def jobs(
    state: Annotated[str | None, typer.Option("--status", help="only jobs of this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List the newest jobs."""
    found = run(server, lambda client: client.jobs(status=state, limit=limit))
    if as_json:
        _print_json([job.model_dump(mode="json") for job in found])
        return
    table = Table("job", "status", "source", "records", "tasks", "created")
    for job in found:
        table.add_row(
            str(job.id), job.status, job.source, str(job.records), str(job.total.tasks), f"{job.created_at:%F %T}"
        )
    console.print(table)


@app.command()
def tasks(
    job_id: JobId,
    state: Annotated[str | None, typer.Option(help="only tasks in this state")] = None,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List a job's tasks with their attempts."""

    async def work(client: SluiceClient) -> list[Any]:
        return [task async for task in client.tasks(job_id, state=state)]

    found = run(server, work)
    if as_json:
        _print_json([task.model_dump(mode="json") for task in found])
        return
    table = Table("no.", "state", "records", "attempts", "last status", "reason")
    for task in found:
        last = task.attempts[-1].status if task.attempts else None
        records = "" if task.records is None else str(task.records)
        table.add_row(str(task.number), task.state, records, str(len(task.attempts)), str(last or ""), task.reason)
    console.print(table)


@app.command("dead-letters")
def dead_letters(
    job_id: Annotated[str | None, typer.Option("--job", help="only those of this job")] = None,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List what could not be handled."""
    found = run(server, lambda client: client.dead_letters(job_id=job_id))
    if as_json:
        _print_json([letter.model_dump(mode="json") for letter in found])
        return
    table = Table("dead letter", "service", "reason", "error", "job")
    for letter in found:
        table.add_row(str(letter.id), letter.service, letter.reason, letter.error, str(letter.job_id or ""))
    console.print(table)


def _control(action: Action, text: str) -> None:
    def command(job_id: JobId, server: Server = LOCAL) -> None:
        run(server, lambda client: client.control(job_id, action))
        console.print(f"{action} asked for", highlight=False)

    command.__doc__ = text
    app.command(action)(command)


_control("cancel", "End a job; what was not called yet is dropped.")
_control("pause", "Release no more calls of a job.")
_control("resume", "Go on with a paused job.")
_control("redrive", "Make the failed calls of a job again, and no others.")


@app.command()
def apply(files: Annotated[list[str], typer.Argument(help="YAML files")], server: Server = LOCAL) -> None:
    """Configure vendors and sources from files. Nothing is sent while there is a mistake in any of them."""

    async def work(client: SluiceClient) -> None:
        found = documents.load([documents.read(path) for path in files])
        for document in sorted(found, key=lambda one: one.kind != "vendors"):
            if document.kind != "job":
                await client.put(document.kind, document.name, document.content)  # type: ignore[arg-type]
                console.print(f"applied {document.kind[:-1]} {document.name}", highlight=False)

    run(server, work)


@app.command()
def check(files: Annotated[list[str], typer.Argument(help="YAML files")]) -> None:
    """Check files offline; tells all mistakes."""
    try:
        found = documents.load([documents.read(path) for path in files])
    except Invalid as error:
        for problem in error.problems:
            errors.print(f"{problem.pointer}: {problem.detail}", style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None
    console.print(f"{len(found)} documents are good", highlight=False)


def _job_document(file: str | None, url: str | None, source: str | None) -> dict[str, Any]:
    given = [one for one in (file, url, source) if one is not None]
    if len(given) != 1:
        errors.print("expected one of: FILE, --url, --source", style="red")
        raise typer.Exit(2)
    if url is not None:
        return {"url": url}
    if source is not None:
        return {"source": source}
    try:
        text = ("standard input", sys.stdin.read()) if file == "-" else documents.read(str(file))
        found = documents.load([text])
    except Invalid as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None
    if len(found) != 1 or found[0].kind != "job":
        errors.print("expected one job; vendors and sources go to sluice apply", style="red")
        raise typer.Exit(2)
    return found[0].content


def _show(job: Job) -> None:
    table = Table(show_header=False, box=None)
    expected = "" if job.total.records is None else f" of {job.total.records}"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(job.counts.items()))
    rows = {
        "job": str(job.id),
        "status": job.status,
        "source": job.source,
        "records": f"{job.distinct}{expected} distinct, {job.records} received",
        "tasks": f"{job.total.tasks}: {counts}",
        "note": job.note,
        "reason": job.reason,
        "failures": ", ".join(f"{one.count} × {one.reason}" for one in job.failures),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    console.print(table)
    for mistake in job.mistakes:
        console.print(f"  {mistake.pointer or '/'}: {mistake.detail}", highlight=False, markup=False)


def _end(job: Job) -> None:
    _show(job)
    raise typer.Exit(0 if job.status == "completed" else 1)


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
