"""A job's progress on the terminal: a live bar where there is one, plain lines elsewhere."""

import time
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shared.client.client import SluiceClient
from shared.client.models import Job, JobEvent

_LINE_SECONDS = 1.0


async def watch(client: SluiceClient, job_id: UUID | str, console: Console) -> Job:
    """Follow a job to its end; gives it as it ended."""
    if console.is_terminal:
        await _watch_live(client, job_id, console)
    else:
        await _watch_plain(client, job_id, console)
    return await client.job(job_id)


async def _watch_live(client: SluiceClient, job_id: UUID | str, console: Console) -> None:
    began = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("records · {task.fields[rate]} · {task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("requested", total=None, rate="–", failed=0)
        async for event in client.events(job_id):
            name = event.name.removeprefix("job.")
            if name == "planned" and event.data.get("records") is not None:
                bar.update(task, total=event.data["records"])
            counts = event.data.get("counts")
            if counts:
                rate = f"{counts['records'] / max(time.monotonic() - began, 0.001):,.0f}/s"
                bar.update(task, completed=counts["records"], rate=rate, failed=counts["failed"])
            bar.update(task, description=event.data.get("state", name))


async def _watch_plain(client: SluiceClient, job_id: UUID | str, console: Console) -> None:
    last = 0.0
    async for event in client.events(job_id):
        if event.name == "job.progressed" and time.monotonic() - last < _LINE_SECONDS:
            continue
        last = time.monotonic()
        console.print(_line(event), highlight=False)


def _line(event: JobEvent) -> str:
    counts = event.data.get("counts")
    if not counts:
        note = event.data.get("note") or ""
        total = f" {event.data['records']} records in {event.data['tasks']} tasks" if event.data.get("tasks") else ""
        return f"{event.name}{total} {note}".rstrip()
    return (
        f"{event.name} {counts['records']} records, {counts['completed']} of {counts['planned']} tasks, "
        f"{counts['failed']} failed"
    )
