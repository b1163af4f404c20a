"""What is shown is whole, however narrow the terminal is."""

import io
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from shared.client import tables
from shared.client.models import DeadLetter, WholeDeadLetter

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


def test_an_empty_list_is_a_heading(screen: io.StringIO) -> None:
    tables.show_schedules([])
    assert "status" in screen.getvalue()
