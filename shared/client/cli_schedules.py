"""The commands of schedules: `sluice schedule` makes one, `sluice schedules` lists them, shows one, turns it."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.client.command import LOCAL, AsJson, Server, run

if TYPE_CHECKING:
    from shared.api_models import ScheduleReference
    from shared.client.client import SluiceClient
    from shared.client.schedules import ScheduleAction

ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="the schedule's id or name")]

commands = typer.Typer(help="List schedules, show one, pause, resume, trigger or cancel it.")


def schedule(  # noqa: PLR0913, PLR0917 - the options of a command line
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="YAML or JSON of a schedule; - is standard input")
    ] = None,
    at: Annotated[str | None, typer.Option(help="once, at this time: 2026-12-24T18:00:00+01:00")] = None,
    every: Annotated[str | None, typer.Option(help="again and again, at this interval: 15m")] = None,
    cron: Annotated[str | None, typer.Option(help="again and again, at these times: '0 3 * * *'")] = None,
    zone: Annotated[str | None, typer.Option(help="with --cron: the time zone, UTC without")] = None,
    source: Annotated[str | None, typer.Option(help="the source to run")] = None,
    url: Annotated[str | None, typer.Option(help="the URL to poll")] = None,
    name: Annotated[str | None, typer.Option(help="a name; asking for it again replaces the schedule")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", "--id-key", help="asks twice, counts once")] = None,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """Schedule something: from a file, or a source or URL once or again and again."""
    from shared.client import documents, tables

    times = {"triggerAt": at, "every": every, "cron": cron, "zone": zone, "schedule": name}
    start = {"source": source, "url": url}
    given = {field: value for field, value in {**times, **start}.items() if value is not None}
    if (file is None) == (not given):
        raise typer.BadParameter("expected FILE, or one of --at, --every, --cron with --source or --url")

    async def work(client: "SluiceClient") -> "ScheduleReference":
        if file is not None:
            document = documents.load_schedule(documents.read([file])[0])
        else:
            target = {field: value for field, value in start.items() if value is not None}
            document = {**{field: given[field] for field in times if field in given}, "start": target}
        return await client.schedule(document, idempotency_key=key)

    reference = run(server, work)
    if as_json:
        tables.show_json_line(reference)
    else:
        tables.show_text(f"schedule {reference.id}, next at {reference.next_at}")


@commands.callback(invoke_without_command=True)
def schedules(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--status", help="only schedules of this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="at most so many")] = 20,
    as_json: AsJson = False,
    server: Server = LOCAL,
) -> None:
    """List the newest schedules; removed ones with --status removed."""
    if context.invoked_subcommand is not None:
        return
    from shared.client import tables

    found = run(server, lambda client: client.schedules(status=state, limit=limit))
    (tables.show_json if as_json else tables.show_schedules)(found)


@commands.command()
def show(schedule_id: ScheduleId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Show a schedule: its next times, and the verdict of each past one."""
    from shared.client import tables

    found = run(server, lambda client: client.find_schedule(schedule_id))
    (tables.show_json if as_json else tables.show_schedule)(found)


@commands.command()
def cancel(schedule_id: ScheduleId, as_json: AsJson = False, server: Server = LOCAL) -> None:
    """Remove a schedule; what it has started goes on."""
    _tell(run(server, lambda client: client.remove_schedule(schedule_id)), "cancel", as_json)


def _control(action: "ScheduleAction", text: str) -> None:
    def command(schedule_id: ScheduleId, as_json: AsJson = False, server: Server = LOCAL) -> None:
        _tell(run(server, lambda client: client.control_schedule(schedule_id, action)), action, as_json)

    command.__doc__ = text
    commands.command(action)(command)


_control("pause", "Fire a schedule no more, until it is resumed.")
_control("resume", "Go on with a paused schedule.")
_control("trigger", "Fire a schedule now.")


def _tell(reference: "ScheduleReference", action: str, as_json: bool) -> None:
    from shared.client import tables

    shown: dict[str, Any] = {"schedule": str(reference.id), "asked": action}
    if as_json:
        tables.show_json_line(shown)
    else:
        tables.show_text(f"{action} requested")
