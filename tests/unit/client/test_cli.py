"""The command against a small HTTP server: what it prints, what it sends, how it ends."""

import io
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from shared.client.cli import app
from shared.client.client import SluiceClient
from shared.client.progress import watch
from tests.unit.client import answers
from tests.unit.client.answers import JOB_ID

VENDOR = "vendor: acme\nbase_url: https://acme.example\n"
SCHEDULE = "schedule: nightly\ncron: 0 3 * * *\nzone: Europe/Berlin\nstart: {source: acme-items}\n"
SOURCE = "source: acme-items\nvendor: acme\npoll: {request: {path: /items}}\n"


class Gateway(ThreadingHTTPServer):
    """Answers by method and path; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, Any]] = []
        self.keys: list[str | None] = []
        self.answers: dict[str, tuple[int, bytes]] = {}

    def says(self, request: str, status: int, body: Any) -> None:
        self.answers[request] = (status, body if isinstance(body, bytes) else orjson.dumps(body))


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = f"{self.command} {self.path.partition('?')[0]}"
        self.server.keys.append(self.headers.get("authorization"))
        self.server.seen.append((request, orjson.loads(body) if body else None))
        status, content = self.server.answers.get(request, (404, orjson.dumps(answers.problem(404, "nothing there"))))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Quietly."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def followed(gateway: Gateway) -> Gateway:
    counts = {"planned": 10, "completed": 4, "failed": 1, "cancelled": 0, "records": 40, "distinct": 40}
    body = (
        answers.event(1, "accepted")
        + answers.event(2, "planned", tasks=10, records=100, note="paging: offset")
        + answers.event(3, "progressed", state="running", counts=counts)
        + answers.ended(4)
    )
    gateway.says("POST /jobs", 202, answers.reference())
    gateway.says(f"GET /jobs/{JOB_ID}/events", 200, body)
    gateway.says(f"GET /jobs/{JOB_ID}", 200, answers.job())
    return gateway


def sluice(gateway: Gateway | None, *arguments: str, stdin: str = "") -> Result:
    url = f"http://127.0.0.1:{gateway.server_port if gateway else 9}"
    return CliRunner().invoke(app, list(arguments), input=stdin, env={"SLUICE_URL": url})


def test_submit_takes_a_file_standard_input_or_options(gateway: Gateway, tmp_path: Path) -> None:
    gateway.says("POST /jobs", 202, answers.reference())
    (tmp_path / "job.yaml").write_text("source: acme-items\n")
    assert sluice(gateway, "submit", str(tmp_path / "job.yaml")).stdout == f"job {JOB_ID}\n"
    assert sluice(gateway, "submit", "-", stdin='{"url": "https://h.example/a"}').exit_code == 0
    assert sluice(gateway, "submit", "--vendor", "v", "--path", "/a", "--pages", "link", "--id-key", "k").exit_code == 0
    assert [body for _, body in gateway.seen] == [
        {"source": "acme-items"},
        {"url": "https://h.example/a"},
        {"vendor": "v", "poll": {"request": {"path": "/a"}, "pages": {"style": "link"}}},
    ]


def test_a_key_is_given_before_the_command_or_in_the_environment(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.says("GET /jobs", 200, {"jobs": [], "next": None})
    sluice(gateway, "jobs")
    sluice(gateway, "--key", "sluice_1", "jobs")
    monkeypatch.setenv("SLUICE_API_KEY", "sluice_2")
    sluice(gateway, "jobs")
    assert gateway.keys == [None, "Bearer sluice_1", "Bearer sluice_2"]


@pytest.mark.parametrize("arguments", [["submit"], ["submit", "x", "--url", "y"], ["watch"], ["jobs", "--limit", "0"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert sluice(None, *arguments).exit_code == 2


def test_no_server_ends_with_2_and_what_to_start() -> None:
    result = sluice(None, "jobs")
    assert result.exit_code == 2
    assert "make up" in result.stderr


def test_mistakes_that_the_server_finds_are_told(gateway: Gateway) -> None:
    gateway.says("POST /jobs", 422, answers.problem(422, "the document has mistakes", ("/source", "is unknown")))
    result = sluice(gateway, "submit", "--source", "nothing")
    assert (result.exit_code, result.stderr) == (2, "the document has mistakes\n  /source: is unknown\n")


def test_watching_tells_lines_where_there_is_no_terminal(followed: Gateway) -> None:
    result = sluice(followed, "submit", "--source", "acme-items", "--watch")
    assert result.exit_code == 0
    assert "job.planned 0 of 100 records, 0 of 10 tasks (paging: offset)\n" in result.stdout
    assert "job.completed 100 of 100 records, 10 of 10 tasks" in result.stdout


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("completed_with_failures", 1), ("failed", 1)])
def test_the_exit_code_is_how_the_job_ended(followed: Gateway, status: str, code: int) -> None:
    followed.says(f"GET /jobs/{JOB_ID}", 200, answers.job(status=status))
    assert sluice(followed, "watch", str(JOB_ID)).exit_code == code


def test_the_end_is_shown_with_the_reason_of_every_failure(followed: Gateway) -> None:
    failures = [{"reason": "timeout", "count": 2}]
    followed.says(f"GET /jobs/{JOB_ID}", 200, answers.job(status="failed", counts={"failed": 2}, failures=failures))
    assert "2 × timeout" in sluice(followed, "watch", str(JOB_ID)).stdout


def test_json_is_a_line_for_each_event_and_the_job_at_last(followed: Gateway) -> None:
    lines = [orjson.loads(one) for one in sluice(followed, "watch", str(JOB_ID), "--json").stdout.splitlines()]
    assert [one.get("event") for one in lines[:-1]] == [
        "job.accepted",
        "job.planned",
        "job.progressed",
        "job.completed",
    ]
    assert lines[-1]["status"] == "completed"


def test_whole_numbers_of_any_size_are_shown_as_they_are(gateway: Gateway) -> None:
    body = json.dumps({**answers.job(), "note": "", "counts": {"completed": 2**70}})
    gateway.says(f"GET /jobs/{JOB_ID}", 200, body.encode())
    assert json.loads(sluice(gateway, "status", str(JOB_ID), "--json").stdout)["counts"] == {"completed": 2**70}


def test_what_is_listed_is_whole_and_taken_as_it_is(gateway: Gateway) -> None:
    gateway.says("GET /jobs", 200, {"jobs": [answers.job(source="[red]x")], "next": None})
    gateway.says(f"GET /jobs/{JOB_ID}/tasks", 200, {"tasks": [answers.task(3)], "next": None})
    text = sluice(gateway, "jobs").stdout
    assert str(JOB_ID) in text
    assert "[red]x" in text
    [job] = orjson.loads(sluice(gateway, "jobs", "--json").stdout)
    assert job["total"] == {"records": 100, "tasks": 10}
    assert "completed" in sluice(gateway, "tasks", str(JOB_ID)).stdout
    assert orjson.loads(sluice(gateway, "tasks", str(JOB_ID), "--json").stdout)[0]["attempts"][0]["status"] == 200


def test_an_action_is_asked_for(gateway: Gateway) -> None:
    gateway.says(f"POST /jobs/{JOB_ID}/redrive", 202, answers.reference())
    assert sluice(gateway, "redrive", str(JOB_ID)).stdout == "redrive requested\n"
    assert sluice(gateway, "cancel", str(JOB_ID)).exit_code == 2


def test_apply_sends_vendors_first(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(f"{SOURCE}---\n{VENDOR}")
    gateway.says("PUT /vendors/acme", 201, {"vendor": "acme"})
    gateway.says("PUT /sources/acme-items", 201, {"source": "acme-items"})
    assert sluice(gateway, "apply", str(tmp_path / "all.yaml")).stdout == (
        "applied vendor acme\napplied source acme-items\n"
    )


def test_apply_sends_nothing_while_there_is_a_mistake(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(VENDOR)
    (tmp_path / "bad.yaml").write_text(f"{SOURCE}sinc: []\n")
    result = sluice(gateway, "apply", str(tmp_path / "good.yaml"), str(tmp_path / "bad.yaml"))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{tmp_path / 'bad.yaml'}:1:/sinc: unknown field")
    assert not gateway.seen


def test_a_refused_document_is_told_with_its_place(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(SOURCE)
    gateway.says("PUT /sources/acme-items", 422, answers.problem(422, "mistakes", ("/vendor", "is unknown")))
    result = sluice(gateway, "apply", str(tmp_path / "one.yaml"))
    assert (result.exit_code, result.stderr) == (2, f"{tmp_path / 'one.yaml'}:1:/vendor: is unknown\n")


def test_check_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VENDOR)
    (tmp_path / "b.yaml").write_text("url: 5\n")
    assert sluice(None, "check", str(tmp_path / "a.yaml")).stdout == "1 document is good\n"
    result = sluice(None, "check", "--json", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"))
    assert result.exit_code == 2
    assert orjson.loads(result.stdout)["mistakes"][0]["pointer"] == f"{tmp_path / 'b.yaml'}:1:/url"


def test_help_needs_neither_an_http_library_nor_models() -> None:
    """Counted, not timed: what `sluice --help` imports."""
    code = "import sys; from shared.client.cli import app; print(*(sys.modules.keys() & {'httpx', 'pydantic', 'rich'}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_a_schedule_is_written_as_a_file_or_as_options(gateway: Gateway, tmp_path: Path) -> None:
    gateway.says("POST /schedules", 202, answers.schedule_reference())
    (tmp_path / "nightly.yaml").write_text(SCHEDULE)
    result = sluice(gateway, "schedule", str(tmp_path / "nightly.yaml"))
    assert result.stdout == f"schedule {JOB_ID}, next at 2026-11-20 12:00:00+00:00\n"
    options = ["--cron", "0 3 * * *", "--zone", "Europe/Berlin", "--source", "acme-items", "--name", "nightly"]
    assert sluice(gateway, "schedule", *options).exit_code == 0
    assert [body for _, body in gateway.seen] == [
        {
            "schedule": "nightly",
            "cron": "0 3 * * *",
            "zone": "Europe/Berlin",
            "start": {"source": "acme-items"},
        }
    ] * 2
    assert sluice(gateway, "schedule").exit_code == 2
    assert sluice(gateway, "schedule", str(tmp_path / "nightly.yaml"), "--every", "1m").exit_code == 2


def test_schedules_are_listed_shown_and_turned(gateway: Gateway) -> None:
    gateway.says("GET /schedules", 200, {"schedules": [answers.schedule(firings=[])], "next": None})
    gateway.says("GET /schedules/nightly", 200, answers.schedule())
    gateway.says("DELETE /schedules/nightly", 202, answers.schedule_reference())
    assert "0 3 * * * Europe/Berlin" in sluice(gateway, "schedules").stdout
    shown = sluice(gateway, "schedules", "show", "nightly").stdout
    assert "succeeded" in shown and str(JOB_ID) in shown
    for action in ("pause", "resume", "trigger"):
        gateway.says(f"POST /schedules/nightly/{action}", 202, answers.schedule_reference())
        assert sluice(gateway, "schedules", action, "nightly").stdout == f"{action} requested\n"
    assert sluice(gateway, "schedules", "cancel", "nightly", "--json").stdout == (
        f'{{"schedule":"{JOB_ID}","asked":"cancel"}}\n'
    )


def test_apply_takes_schedules_after_what_they_start(gateway: Gateway, tmp_path: Path) -> None:
    gateway.says("PUT /vendors/acme", 201, {"vendor": "acme"})
    gateway.says("PUT /sources/acme-items", 201, {"source": "acme-items"})
    gateway.says("POST /schedules", 202, answers.schedule_reference())
    (tmp_path / "all.yaml").write_text(f"{SCHEDULE}---\n{SOURCE}---\n{VENDOR}")
    result = sluice(gateway, "apply", str(tmp_path / "all.yaml"))
    assert result.stdout == "applied vendor acme\napplied source acme-items\napplied schedule nightly\n"
    assert sluice(None, "check", str(tmp_path / "all.yaml")).exit_code == 0


def test_a_broker_that_is_not_there_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    options = ["--from", "2026-11-01T00:00:00Z", "--to-topic", "jobs.events", "--kafka", f"127.0.0.1:{port}"]
    done = subprocess.run(
        [sys.executable, "-m", "shared.client.cli", "replay", "jobs.events", *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert "no answer from Kafka at 127.0.0.1" in line and "--kafka" in line


async def test_the_bar_and_what_it_means_have_room_on_eighty_columns(followed: Gateway) -> None:
    text = io.StringIO()
    screen = Console(width=80, file=text, force_terminal=True, color_system=None)
    async with SluiceClient(f"http://127.0.0.1:{followed.server_port}") as client:
        await watch(client, JOB_ID, screen)
    shown = text.getvalue()
    assert "…" not in shown
    assert "━" * 20 in shown
    assert "100 of 100 records, 10 of 10 tasks" in shown


def test_the_example_of_the_client_runs(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "http-api.md").read_text("utf-8")
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    example = example.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{gateway.server_port}")
    gateway.says("POST /jobs", 202, answers.reference())
    gateway.says(f"GET /jobs/{JOB_ID}/events", 200, answers.ended(1))
    gateway.says(f"GET /jobs/{JOB_ID}", 200, answers.job())
    exec(compile(example, "http-api.md", "exec"), {})
    assert capsys.readouterr().out == "completed 100\n"
    gateway.says("POST /jobs", 422, answers.problem(422, "the document has mistakes", ("/source", "is unknown")))
    with pytest.raises(SystemExit, match="/source: is unknown"):
        exec(compile(example, "http-api.md", "exec"), {})
