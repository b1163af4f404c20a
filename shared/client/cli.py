"""The `sluice` command. Exit codes: 0 good, 1 the job did not complete, 2 usage, connection or mistakes."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from shared.client import cli_dead_letters, cli_replay, cli_schedules
from shared.client.command import FAILED, LOCAL, MISTAKEN, AsJson, Server, refuse, run, use_key

if TYPE_CHECKING:
    from shared.api_models import Job
    from shared.client.client import SluiceClient
    from shared.client.configuration import Kind
    from shared.client.jobs import Action

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Ask Sluice for jobs, follow them, configure it.",
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="the job's id")]


class DocumentKind(StrEnum):
    """What a document may be."""

    VENDOR = "vendor"
    SOURCE = "source"
    JOB = "job"
    HOOK = "hook"
    SCHEDULE = "schedule"


Files = Annotated[list[str], typer.Argument(metavar="FILE", help="YAML or JSON files; - is standard input")]


@app.callback()
def start(
    key: Annotated[
        str | None,
        typer.Option(
            envvar="SLUICE_API_KEY",
            help="API key; safe from other users in the variable only",
        ),
    ] = None,
) -> None:
    """Ask Sluice for jobs, follow them, configure it."""
    use_key(key)


@app.command()
def submit(  # noqa: PLR0913, PLR0917 - the options of a command line
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="YAML or JSON file of a job; - is standard input")
    ] = None,
    url: Annotated[str | None, typer.Option(help="poll this URL instead of a file")] = None,
    source: Annotated[str | None, typer.Option(help="run this source instead of a file")] = None,
    vendor: Annotated[str | None, typer.Option(help="poll this vendor instead of a file")] = None,
    path: Annotated[str, typer.Option(help="with --vendor: the path to poll, ?query and all")] = "/",
    pages: Annotated[str | None, typer.Option(help="with --url, --vendor: style of paging, such as offset")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", "--id-key", help="asks twice, runs once")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="follow the job to its end")] = False,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """Ask for a job."""
    from shared.client import documents, tables
    from shared.client.progress import watch

    given = {"FILE": file, "--url": url, "--source": source, "--vendor": vendor}
    if sum(one is not None for one in given.values()) != 1:
        raise typer.BadParameter(f"expected one of: {', '.join(given)}")

    async def work(client: "SluiceClient") -> "Job | None":
        if file is not None:
            document = documents.load_job(documents.read([file])[0])
        else:
            document = documents.make_job(url=url, source=source, vendor=vendor, path=path, pages=pages)
        reference = await client.submit(document, idempotency_key=key)
        if as_json:
            tables.show_json_line(reference)
        else:
            tables.show_text(f"job {reference.id}")
        return await watch(client, reference.id, tables.console, as_json=as_json) if follow else None

    job = run(server, work)
    if job is not None:
        _end(job, as_json)


@app.command()
def watch(job_id: JobId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Follow a job to its end. Exit code 0: it completed; 1: it did not, or with failures."""
    from shared.client import tables
    from shared.client.progress import watch

    job = run(server, lambda client: watch(client, job_id, tables.console, as_json=as_json))
    _end(job, as_json)


@app.command()
def status(job_id: JobId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Show a job as it stands."""
    from shared.client import tables

    job = run(server, lambda client: client.job(job_id))
    (tables.show_json if as_json else tables.show_job)(job)


@app.command()
def jobs(
    state: Annotated[str | None, typer.Option("--status", help="only jobs of this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="at most so many")] = 20,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List the newest jobs."""
    from shared.client import tables

    found = run(server, lambda client: client.jobs(status=state, limit=limit))
    (tables.show_json if as_json else tables.show_jobs)(found)


@app.command()
def tasks(
    job_id: JobId,
    state: Annotated[str | None, typer.Option(help="only tasks in this state")] = None,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List a job's tasks with their attempts."""
    from shared.client import tables

    async def work(client: "SluiceClient") -> list[Any]:
        return [task async for task in client.tasks(job_id, state=state)]

    (tables.show_json if as_json else tables.show_tasks)(run(server, work))


def _control(action: "Action", text: str) -> None:
    def command(job_id: JobId, as_json: AsJson = False, server: Server = LOCAL) -> None:
        from shared.client import tables

        run(server, lambda client: client.control(job_id, action))
        if as_json:
            tables.show_json_line({"job": job_id, "asked": action})
        else:
            tables.show_text(f"{action} requested")

    command.__doc__ = text
    app.command(action)(command)


_control("cancel", "End a job: no call of it leaves any more; those that are under way end as they end.")
_control("pause", "Let no more calls of a job leave, until it is resumed; those that are under way end as they end.")
_control("resume", "Go on with a paused job.")
_control("redrive", "Make the failed calls of a job again, and no others.")


@app.command()
def apply(files: Files, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Configure vendors, sources, hooks and schedules from files. Nothing is sent while any of them
    has a mistake that can be seen offline."""
    from shared.client import documents, tables
    from shared.client.connection import ApiError

    async def work(client: "SluiceClient") -> None:
        for document in documents.load_configuration(documents.read(files)):
            try:
                if document.kind == "schedules":
                    applied: Any = await client.schedule(document.content)
                else:
                    applied = await client.put(cast("Kind", document.kind), document.name, document.content)
            except ApiError as error:
                raise documents.at(document, error) from None
            if as_json:
                tables.show_json_line(applied)
            else:
                tables.show_text(f"applied {document.kind.removesuffix('s')} {document.name}")

    run(server, work)


@app.command()
def check(files: Files, as_json: AsJson = False) -> None:
    """Check files offline; tells all mistakes."""
    from shared.client import documents, tables
    from shared.errors import Invalid

    try:
        found = documents.load(documents.read(files))
    except Invalid as error:
        if as_json:
            tables.show_json_line(
                {"mistakes": [{"pointer": one.pointer, "detail": one.detail} for one in error.problems]}
            )
            raise typer.Exit(MISTAKEN) from None
        refuse(error)
    if as_json:
        tables.show_json_line({"mistakes": [], "documents": len(found)})
    else:
        tables.show_text("1 document is good" if len(found) == 1 else f"{len(found)} documents are good")


@app.command()
def schema(
    kind: Annotated[
        DocumentKind | None, typer.Argument(metavar="KIND", help="vendor, source, job, hook, schedule")
    ] = None,
) -> None:
    """Print the JSON Schema of a kind of document, or of any, for editors."""
    from shared.client import tables
    from shared.client.schemas import schema_of

    tables.show_json(schema_of(kind and kind.value))


app.command()(cli_schedules.schedule)
app.add_typer(cli_schedules.commands, name="schedules")
app.add_typer(cli_dead_letters.commands, name="dead-letters")
app.command()(cli_replay.replay)


def _end(job: "Job", as_json: bool) -> NoReturn:
    from shared.client import tables

    (tables.show_json_line if as_json else tables.show_job)(job)
    raise typer.Exit(0 if job.status == "completed" else FAILED)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
