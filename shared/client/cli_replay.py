"""The command `sluice replay`."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

import asyncio
import logging
from datetime import UTC, datetime
from typing import Annotated

import typer

from shared.client.command import INTERRUPTED, AsJson, refuse

KAFKA = "127.0.0.1:9092"


def replay(  # noqa: PLR0913, PLR0917 - the options of a command line
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="the topic to read; its prefix may be left out")],
    since: Annotated[str, typer.Option("--from", help="records from this time on: 2026-12-24T18:00:00Z")],
    to_topic: Annotated[str, typer.Option(help="the topic to write to; its prefix may be left out")],
    until: Annotated[str | None, typer.Option("--to", help="records before this time; without it, until now")] = None,
    key: Annotated[str | None, typer.Option(help="only records with this key")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="only events of this CloudEvents type")] = None,
    nth: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="which replay of these records this is; consumers handle them once for each number"
        ),
    ] = 1,
    rate: Annotated[float | None, typer.Option(min=0.001, help="at most so many records a second")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count the records")] = False,
    kafka: Annotated[str, typer.Option(envvar="SLUICE_KAFKA", help="address of the broker")] = KAFKA,
    prefix: Annotated[str, typer.Option(envvar="SLUICE_TOPIC_PREFIX", help="prefix of the topics")] = "sluice",
    as_json: AsJson = False,
) -> None:
    """Send the records of a period again. Consumers handle them once more."""
    from shared.brokers import read_brokers
    from shared.client import replay as records
    from shared.client import tables
    from shared.errors import SluiceError

    wanted = records.Wanted(
        topic=topic,
        to_topic=to_topic,
        since=_time("--from", since),
        until=datetime.now(UTC) if until is None else _time("--to", until),
        key=key,
        type=type_,
        nth=nth,
    )
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what matters is raised
    try:
        done = asyncio.run(records.replay(read_brokers(kafka), prefix, wanted, rate=rate, dry_run=dry_run))
    except SluiceError as error:
        refuse(error)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        tables.show_json_line({"records": done.records, "read": done.read, "dry_run": dry_run})
    else:
        tables.show_text(f"{'would be ' if dry_run else ''}replayed: {done.records:,} of {done.read:,} records read")


def _time(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"expected a time such as 2026-12-24T18:00:00Z, got {text}", param_hint=option
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
