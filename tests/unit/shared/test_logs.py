"""Logs are one JSON object a line, whatever stands in their fields."""

import json
import subprocess
import sys
from uuid import UUID

from shared.observability.logs import ids

PROGRAM = """
import logging
from shared.observability.logs import configure_logs, get_logger
configure_logs("planner", "INFO")
log = get_logger("x")
log.info("one", text="a\\nb\\x1b[31mred\\u2028\\x00\\ud800", number=1)
log.info("two", api_key="s3cret", Authorization="s3cret", callback_token="s3cret")
log.info("three", text="x" * 10_000)
logging.getLogger("library").warning("four\\n%s", "\\x1b[31m")
"""


def test_no_field_breaks_a_line_or_tells_a_secret() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    lines = done.stderr.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["event"].split("\n")[0] for entry in entries] == ["one", "two", "three", "four"]
    assert entries[0]["text"].startswith("a\nb\x1b[31mred")
    assert not any(byte < 32 for line in lines for byte in line)
    assert b"s3cret" not in done.stderr
    assert len(entries[2]["text"]) < 2_100
    assert {entry["service"] for entry in entries} == {"planner"}


def test_ids_that_are_not_there_are_no_fields() -> None:
    job_id = UUID(int=1)
    assert ids(job_id=job_id, correlation_id=None) == {"job_id": str(job_id)}


CHATTER = """
import logging
from shared.observability.logs import configure_logs
configure_logs("planner", "INFO")
library = logging.getLogger("aiokafka.client")
for number in range(500):
    library.error("Unable connect to node with id %s", number)
    library.warning("another matter")
[handler] = logging.getLogger().handlers
[thinning] = handler.filters
thinning._quiet_seconds = 0
library.error("Unable connect to node with id %s", 500)
logging.getLogger("asyncpg").error("what others call an error is one")
"""


def test_what_a_library_repeats_is_told_once_and_counted() -> None:
    done = subprocess.run([sys.executable, "-c", CHATTER], capture_output=True, check=True)
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(entry["event"], entry["level"], entry.get("repeats")) for entry in entries] == [
        ("Unable connect to node with id 0", "warning", None),
        ("another matter", "warning", None),
        ("Unable connect to node with id 500", "warning", 499),
        ("what others call an error is one", "error", None),
    ]


FAILING = """
import logging, sys
sys.stderr.isatty = lambda: True
from shared.observability.logs import configure_logs, get_logger
configure_logs("planner", "INFO")

def fails(held):
    raise ValueError("what went wrong")

for log in (get_logger("x"), logging.getLogger("library")):
    try:
        fails("".join(["can", "ary"]))
    except ValueError:
        log.error("part.ended", exc_info=True)
"""


def test_a_traceback_on_a_terminal_tells_no_values() -> None:
    """What a function holds may be a password."""
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, check=True, text=True)
    assert done.stderr.count("ValueError: what went wrong") == 2
    assert "in fails" in done.stderr
    assert "canary" not in done.stderr
