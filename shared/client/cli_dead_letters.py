"""The commands `sluice dead-letters …`: list dead letters, show one, send them again, put them away."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

from typing import TYPE_CHECKING, Annotated

import typer

from shared.client.command import LOCAL, AsJson, Server, run

if TYPE_CHECKING:
    from shared.api_models import LettersAffected
    from shared.client.dead_letters import LetterFilter

LetterId = Annotated[str, typer.Argument(metavar="LETTER", help="the dead letter's id")]
Letter = Annotated[str | None, typer.Argument(metavar="LETTER", help="a dead letter's id, instead of a filter")]
Service = Annotated[str | None, typer.Option(help="only those of this service")]
Topic = Annotated[str | None, typer.Option(help="only messages of this topic")]
ForReason = Annotated[str | None, typer.Option("--reason", help="only those with this reason, such as bug")]
JobId = Annotated[str | None, typer.Option("--job", help="only those of this job")]
Since = Annotated[str | None, typer.Option("--from", help="not before this time: 2026-12-24T18:00:00Z")]
Until = Annotated[str | None, typer.Option("--to", help="before this time")]
State = Annotated[str | None, typer.Option(help="only those that are open, redriving, redriven or discarded")]
Most = Annotated[int, typer.Option(min=1, max=1000, help="at most so many")]
All = Annotated[bool, typer.Option("--all", help="all of them, without a filter")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only count them, and show the first")]

_WHY_HELD = (
    "came back too often (--force), of cancelled jobs, configuration (to be applied again), or without their messages"
)

commands = typer.Typer(help="List what could not be handled, show it, send it again, put it away.")


@commands.callback(invoke_without_command=True)
def dead_letters(  # noqa: PLR0913, PLR0917 - the options of a command line
    context: typer.Context,
    service: Service = None,
    topic: Topic = None,
    reason: ForReason = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    state: State = None,
    limit: Most = 50,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List what could not be handled, the newest first."""
    if context.invoked_subcommand is None:
        list_letters(service, topic, reason, job_id, since, until, state, limit, as_json, server)


@commands.command("list")
def list_letters(  # noqa: PLR0913, PLR0917 - the options of a command line
    service: Service = None,
    topic: Topic = None,
    reason: ForReason = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    state: State = None,
    limit: Most = 50,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List what could not be handled, the newest first."""
    from shared.client import tables

    wanted = _filter(service, topic, reason, job_id, since, until)
    found = run(server, lambda client: client.dead_letters(**wanted, state=state, limit=limit))
    (tables.show_json if as_json else tables.show_dead_letters)(found)


@commands.command()
def show(letter_id: LetterId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Show a dead letter with its history and the message as it came."""
    from shared.client import tables

    found = run(server, lambda client: client.find_dead_letter(letter_id))
    (tables.show_json if as_json else tables.show_dead_letter)(found)


@commands.command()
def redrive(  # noqa: PLR0913, PLR0917 - the options of a command line
    letter_id: Letter = None,
    service: Service = None,
    topic: Topic = None,
    reason: ForReason = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    every: All = False,
    dry_run: DryRun = False,
    rate: Annotated[float, typer.Option(min=0.01, max=1000, help="at most so many a second")] = 50.0,
    force: Annotated[bool, typer.Option("--force", help="also those that came back three times")] = False,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """Send a dead letter again, or all open ones that fit a filter."""
    wanted = _filter(service, topic, reason, job_id, since, until)
    _check(letter_id, wanted, every=every, dry_run=dry_run)

    if letter_id is not None:
        done = run(server, lambda client: client.redrive_letter(letter_id, force=force))
    else:
        done = run(server, lambda client: client.redrive_letters(wanted, dry_run=dry_run, rate=rate, force=force))
    _tell(done, "redriven", as_json)


@commands.command()
def discard(  # noqa: PLR0913, PLR0917 - the options of a command line
    letter_id: Letter = None,
    why: Annotated[
        str | None, typer.Option(help="the reason, which is kept with them; with LETTER also --reason")
    ] = None,
    service: Service = None,
    topic: Topic = None,
    reason: ForReason = None,
    job_id: JobId = None,
    since: Since = None,
    until: Until = None,
    every: All = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """Put away a dead letter, or all that fit a filter: open ones, and those that wait for their turn to be sent again.
    Their tasks stay dead, and their jobs stay as they ended."""
    if letter_id is not None and why is None:
        why, reason = reason, None
    if not why:
        raise typer.BadParameter("expected the reason why they are put away", param_hint="--why")
    wanted = _filter(service, topic, reason, job_id, since, until)
    _check(letter_id, wanted, every=every, dry_run=dry_run)

    if letter_id is not None:
        done = run(server, lambda client: client.discard_letter(letter_id, why))
    else:
        done = run(server, lambda client: client.discard_letters(wanted, why, dry_run=dry_run))
    _tell(done, "discarded", as_json)


def _filter(
    service: str | None,
    topic: str | None,
    reason: str | None,
    job_id: str | None,
    since: str | None,
    until: str | None,
) -> "LetterFilter":
    asked = {"service": service, "topic": topic, "reason": reason, "job_id": job_id, "since": since, "until": until}
    found: LetterFilter = {name: value for name, value in asked.items() if value is not None}  # type: ignore[assignment]
    return found


def _check(letter_id: str | None, wanted: "LetterFilter", *, every: bool, dry_run: bool) -> None:
    """Refuse a command without a filter: a forgotten option must not select all letters."""
    if sum((letter_id is not None, bool(wanted), every)) != 1:
        raise typer.BadParameter("expected one of: LETTER, a filter such as --reason, --all")
    if letter_id is not None and dry_run:
        raise typer.BadParameter("--dry-run goes with a filter")


def _tell(done: "LettersAffected", verb: str, as_json: bool) -> None:
    from shared.client import tables

    if as_json:
        tables.show_json_line(done)
        return
    held = f"; {done.held:,} held back: {_WHY_HELD}"
    tables.show_text(f"{'would be ' if done.dry_run else ''}{verb}: {done.count:,}{held if done.held else ''}")
    for one in done.ids if done.dry_run else ():
        tables.show_text(f"  {one}")
