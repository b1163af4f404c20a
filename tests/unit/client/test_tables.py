"""What is shown is whole, however narrow the terminal is."""

import io
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from shared.api_models import DeadLetter, Task, WholeDeadLetter
from shared.client import tables

LETTER = UUID("01900000-0000-7000-8000-000000000002")
JOB = UUID("01900000-0000-7000-8000-000000000003")
VALUE = '{"type":"fetch.requested",' + '"path":"/items",' * 40 + '"end":0}'


def letter(**more: Any) -> dict[str, Any]:
    return {
        "id": LETTER,
        "service": "fetcher",
        "topic": "fetch.requested",
        "reason": "attempts_exhausted",
        "error": "attempts_exhausted: 4 attempts, the last one: [status_500]",
        "delivery": 1,
        "at": "2026-11-20T13:00:00+01:00",
        "job_id": JOB,
        "task_id": None,
        **more,
    }


@pytest.fixture(params=[60, 80, 400])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(tables, "console", Console(width=request.param, file=text))
    return text


def test_a_list_is_whole_on_any_terminal(screen: io.StringIO) -> None:
    tables.show_dead_letters([DeadLetter.model_validate(letter()), DeadLetter.model_validate(letter())])
    shown = screen.getvalue()
    assert "…" not in shown
    for part in (str(LETTER), str(JOB), "attempts_exhausted", "4 attempts, the last one: [status_500]"):
        assert shown.count(part) == 2, part
    assert "2026-11-20 12:00:00" in shown and "UTC" in shown


def test_a_message_is_shown_as_it_came(screen: io.StringIO) -> None:
    original = {"topic": "sluice.fetch.requested", "partition": 0, "offset": 7, "value": VALUE}
    whole = WholeDeadLetter.model_validate(letter(history=["attempt 1: timeout", "attempt 2"], original=original))
    tables.show_dead_letter(whole)
    lines = screen.getvalue().splitlines()
    assert f"value        {VALUE}" in lines
    assert lines[lines.index("history      attempt 1: timeout") + 1] == "             attempt 2"
    assert all(line == line.rstrip() for line in lines)


def test_a_vendors_job_is_shown_with_its_id_and_callbacks(screen: io.StringIO) -> None:
    page = {"id": LETTER, "number": 1, "round": 0, "state": "completed", "records": 3, "reason": ""}
    page |= {"attempts": [], "times": {}}
    told = [("late", "done", 3), ("accepted", "failed", 2), ("unknown", None, 1)]
    callbacks = [
        {"id": LETTER, "verdict": verdict, "reported": what, "received_at": f"2026-01-01T00:00:0{second}Z"}
        for verdict, what, second in told
    ]
    tables.show_tasks([Task.model_validate(page)])
    assert "vendor job" not in screen.getvalue()
    tables.show_tasks([Task.model_validate(page | {"vendor_job": "r1", "callbacks": callbacks})])
    shown = screen.getvalue()
    assert "vendor job" in shown and "r1" in shown
    assert "unknown, failed accepted, done late" in shown


def test_an_empty_list_is_a_heading(screen: io.StringIO) -> None:
    tables.show_schedules([])
    assert "status" in screen.getvalue()
