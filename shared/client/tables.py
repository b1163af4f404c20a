"""What the command shows: tables for people, JSON for machines."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from shared.api_models import DeadLetter, Job, Mistake, ScheduleView, Task, WholeDeadLetter
from shared.client.visible import visible
from shared.errors import Problem

_NO_LIMIT = 10_000
"""Without a terminal nothing is cut: ids are there to be taken further."""

console = Console(width=None if sys.stdout.isatty() else _NO_LIMIT)


def show_json(value: object) -> None:
    """A value, or models, as indented JSON."""
    sys.stdout.write(visible(to_json(value, indent=2).decode()) + "\n")


def show_json_line(value: object) -> None:
    """A value or a model in one line, for commands that show several."""
    sys.stdout.write(visible(to_json(value).decode()) + "\n")
    sys.stdout.flush()


def show_text(text: str) -> None:
    """A line."""
    console.print(visible(text), highlight=False, markup=False, soft_wrap=True)


def show_jobs(jobs: Sequence[Job]) -> None:
    """One line for each job."""
    rows = [
        (job.id, job.status, job.source, f"{job.records:,}", f"{job.total.tasks:,}", _time(job.created_at))
        for job in jobs
    ]
    _show(("job", "status", "source", "records", "tasks", "created (UTC)"), rows)


def show_tasks(tasks: Sequence[Task]) -> None:
    """One line for each task, with its last attempt; where there are vendor jobs, with their ids and callbacks."""
    rows = []
    called = any(task.vendor_job or task.callbacks for task in tasks)
    for task in tasks:
        last = task.attempts[-1].status if task.attempts else None
        of_vendor = (task.vendor_job, _callbacks(task)) if called else ()
        rows.append((task.number, task.state, task.records, len(task.attempts), last, *of_vendor, task.reason))
    headings = ("vendor job", "callbacks") if called else ()
    _show(("no.", "state", "records", "attempts", "last status", *headings, "reason"), rows)


def _callbacks(task: Task) -> str:
    in_turn = sorted(task.callbacks, key=lambda one: one.received_at)
    return ", ".join(one.verdict if one.reported is None else f"{one.reported} {one.verdict}" for one in in_turn)


def show_dead_letters(letters: Sequence[DeadLetter]) -> None:
    """One line for each dead letter."""
    rows = [(one.id, one.state, one.service, one.reason, _time(one.at), _error(one), one.job_id) for one in letters]
    _show(("dead letter", "state", "service", "reason", "at (UTC)", "error", "job"), rows)


def show_dead_letter(letter: WholeDeadLetter) -> None:
    """All there is to say of one dead letter, with the message as it came."""
    original = letter.original
    facts = {
        "dead letter": letter.id,
        "state": f"{letter.state} since {_time(letter.changed_at)} UTC" if letter.changed_at else letter.state,
        "note": letter.note,
        "service": letter.service,
        "reason": letter.reason,
        "error": _error(letter),
        "history": "\n".join(letter.history),
        "job": letter.job_id,
        "task": letter.task_id,
        "came back": letter.redrives or None,
        "topic": f"{original.topic}, partition {original.partition}, offset {original.offset}",
        "key": original.key,
        "headers": "\n".join(f"{name}: {value}" for name, value in original.headers),
        "value": original.value or original.value_base64,
    }
    _show_facts(facts)


def show_job(job: Job) -> None:
    """All there is to say of one job."""
    expected = "" if job.total.records is None else f" of {job.total.records:,}"
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(job.counts.items()))
    facts = {
        "job": job.id,
        "status": job.status,
        "source": job.source,
        "records": f"{job.distinct:,}{expected} distinct, {job.records:,} received",
        "tasks": f"{job.total.tasks:,}{'' if job.percent is None else f', {job.percent:g} % done'}: {counts}",
        "end": None if job.finish_estimate_at is None else f"about {_time(job.finish_estimate_at)} UTC",
        "sinks": ", ".join(" ".join(map(str, sink.values())) for sink in job.sinks),
        "note": job.note,
        "reason": job.reason,
        "failures": ", ".join(f"{one.count:,} × {one.reason}" for one in job.failures),
    }
    _show_facts(facts)
    _show_mistakes(job.mistakes)


def show_schedules(schedules: Sequence[ScheduleView]) -> None:
    """A line for each schedule."""
    rows = [(one.id, one.name, one.status, _when(one), one.next_at, one.reason) for one in schedules]
    _show(("id", "name", "status", "when", "next", "reason"), rows)


def show_schedule(schedule: ScheduleView) -> None:
    """All there is to say of one schedule: its next times, and the verdict of each past one."""
    facts = {
        "schedule": schedule.id,
        "name": schedule.name,
        "status": schedule.status,
        "when": _when(schedule),
        "next": "\n".join(str(time) for time in schedule.next),
        "reason": schedule.reason,
    }
    _show_facts(facts)
    _show_mistakes(schedule.mistakes)
    rows = [(one.planned_at, one.verdict, one.late_ms, one.attempt, one.job_id, one.reason) for one in schedule.firings]
    if rows:
        _show(("planned", "verdict", "late (ms)", "rescheduled", "job", "reason"), rows)


def _show_mistakes(mistakes: Sequence[Mistake]) -> None:
    for one in mistakes:
        show_text(f"  {Problem(one.pointer, one.detail)}")


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%F %T}"


def _error(letter: DeadLetter) -> str:
    """Most errors begin with the reason, which is shown beside them."""
    return letter.error.removeprefix(f"{letter.reason}: ")


def _when(schedule: ScheduleView) -> str:
    document = schedule.schedule or {}
    if "cron" in document:
        return f"{document['cron']} {document.get('zone', 'UTC')}"
    return f"every {document['every']}" if "every" in document else str(document.get("triggerAt", ""))


def _show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table where it fits, else the facts of one row after the other."""
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*("" if value is None else escape(visible(str(value))) for value in row))
    if Measurement.get(console, console.options.update(width=_NO_LIMIT), table).maximum <= console.width:
        console.print(table)
        return
    for number, row in enumerate(rows):
        if number:
            show_text("")
        _show_facts(dict(zip(columns, row, strict=True)))


def _show_facts(facts: Mapping[str, object]) -> None:
    """What is known, a fact a line; nothing is cut."""
    width = max(map(len, facts))
    for name, value in facts.items():
        for number, text in enumerate(visible(str(value)).splitlines() if value not in (None, "") else ()):
            show_text(f"{'' if number else name:{width}}  {text}")
