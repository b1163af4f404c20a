"""What is shown is whole, however narrow the terminal is."""

import io
import json
from typing import Any
from uuid import UUID

import pytest
import typer
from rich.console import Console

from shared.api_models import DeadLetter, Task, WholeDeadLetter
from shared.client import tables
from shared.client.command import refuse
from shared.errors import Invalid, Problem

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


ODD = "a\x1b[2Jb\x9b31mc\x07\r\u202e\x7f"
SHOWN = r"a\u001b[2Jb\u009b31mc\u0007\u000d\u202e\u007f"


def test_control_characters_are_shown_as_escapes(screen: io.StringIO) -> None:
    original = {"topic": "t", "partition": 0, "offset": 7, "key": ODD, "value": ODD}
    tables.show_dead_letters([DeadLetter.model_validate(letter(reason=ODD))])
    tables.show_dead_letter(WholeDeadLetter.model_validate(letter(error=ODD, history=[], original=original)))
    tables.show_text(ODD)
    text = screen.getvalue()
    assert text.count(SHOWN) == 5
    assert not set(ODD) - set("a[2Jb31mc") & set(text)


def test_control_characters_in_json_are_escapes_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_json({"key": ODD})
    tables.show_json_line({"key": ODD})
    text = capsys.readouterr().out
    assert not set(ODD) - set("a[2Jb31mc") & set(text)
    assert json.loads(text.splitlines()[-1]) == {"key": ODD}


def test_control_characters_in_mistakes_are_shown_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        refuse(Invalid([Problem("/a", ODD)]))
    assert SHOWN in capsys.readouterr().err
