"""A job's progress on the terminal: a live bar where there is one, plain lines elsewhere, JSON lines for machines."""

import time
from collections.abc import Iterable
from uuid import UUID

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from shared.api_models import Job
from shared.client.client import SluiceClient
from shared.client.job_progress import JobProgress, line
from shared.client.tables import show_json_line
from shared.client.visible import visible

_LINE_SECONDS = 1.0


class _Bar(Progress):
    """A bar with a line of text below it: side by side they have no room on eighty columns."""

    text = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and what is known."""
        yield from super().get_renderables()
        yield Text(self.text)


async def watch(client: SluiceClient, job_id: UUID | str, console: Console, *, as_json: bool = False) -> Job:
    """Follow a job to its end; gives it as it ended."""
    if as_json:
        await _watch_json(client, job_id)
    elif console.is_terminal:
        await _watch_live(client, job_id, console)
    else:
        await _watch_plain(client, job_id, console)
    return await client.job(job_id)


async def _watch_live(client: SluiceClient, job_id: UUID | str, console: Console) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    progress = JobProgress()
    with _Bar(*columns, console=console) as bar:
        task = bar.add_task(progress.state, total=None)
        async for event in client.events(job_id):
            progress = progress.after(event)
            known = progress.expected is not None
            bar.text = visible(line(progress))
            bar.update(
                task,
                description=progress.state,
                total=(progress.expected if known else progress.all_tasks) or None,
                completed=progress.records if known else progress.done,
            )
    if progress.note:
        console.print(visible(progress.note), highlight=False, markup=False)


async def _watch_plain(client: SluiceClient, job_id: UUID | str, console: Console) -> None:
    progress, last = JobProgress(), 0.0
    async for event in client.events(job_id):
        progress = progress.after(event)
        if event.name == "job.progressed" and time.monotonic() - last < _LINE_SECONDS:
            continue
        last = time.monotonic()
        note = f" ({progress.note})" if event.name == "job.planned" and progress.note else ""
        console.print(visible(f"{event.name} {line(progress)}{note}"), highlight=False, markup=False, soft_wrap=True)


async def _watch_json(client: SluiceClient, job_id: UUID | str) -> None:
    async for event in client.events(job_id):
        show_json_line({"event": event.name, "id": event.sequence, "data": event.data})
