"""What the API shows of a job, from its row."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import TypeAdapter

from services.callback_gateway.http.json_response import json_bytes
from services.callback_gateway.http.presentation import job_body, task_body
from shared.specification.vendor import Window

ROW: dict[str, Any] = {
    **dict.fromkeys(("ended_at", "reason", "note", "expected", "complete", "mistakes", "answer"), None),
    **dict.fromkeys(("sinks", "reported_at", "correlation_id"), None),
    **dict.fromkeys(("planned", "completed", "failed", "cancelled", "records", "distinct_records"), 0),
    **{"all_known": True, "lately_done": 0.0, "lately_seconds": 0.0},
    **{"id": UUID(int=1), "kind": "poll", "state": "running", "vendor": "acme", "source": "acme/items"},
}
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HALF_DONE: dict[str, Any] = {"planned": 400, "completed": 150, "failed": 30, "cancelled": 20}
RUNS: dict[str, Any] = {**HALF_DONE, "lately_done": 50.0, "lately_seconds": 100.0, "reported_at": NOW}


def shown(**more: Any) -> dict[str, Any]:
    row: Any = {**ROW, "created_at": NOW - timedelta(hours=3), "updated_at": NOW, **more}
    return job_body(row, {}, [], NOW)


def test_the_end_is_estimated_from_what_was_done_lately() -> None:
    job = shown(**RUNS)
    assert job["percent"] == 50.0
    assert job["finish_estimate_at"] - NOW == 400 * SECOND


@pytest.mark.parametrize(
    ("windows", "seconds"),
    [
        ([{"requests": 1, "per": "4s"}], 796),
        ([{"requests": 10, "per": "20s", "burst": 10}], 400),
        ([{"requests": 100, "per": "1d"}, {"requests": 100, "per": "1s"}], 86_400),
        ([{"requests": 200, "per": "1d"}], 400),
    ],
)
def test_no_end_is_promised_before_the_contract_allows_it(windows: list[dict[str, Any]], seconds: int) -> None:
    found = TypeAdapter(tuple[Window, ...]).validate_python(windows)
    row: Any = {**ROW, **RUNS, "created_at": NOW, "updated_at": NOW}
    assert job_body(row, {}, [], NOW, windows=found)["finish_estimate_at"] - NOW == seconds * SECOND


def test_while_nothing_ends_the_end_recedes() -> None:
    job = shown(**{**RUNS, "reported_at": NOW - 100 * SECOND})
    assert job["finish_estimate_at"] - NOW == 800 * SECOND


@pytest.mark.parametrize(
    "more",
    [
        {"planned": 0},
        {"completed": 350},
        {"state": "paused"},
        {"state": "accepted"},
        {"state": "completed", "ended_at": NOW},
        {"lately_done": 0.0},
        {"lately_done": 1.0, "lately_seconds": 1e9},
        {"lately_seconds": 0.5},
        {"reported_at": None},
        {"all_known": False},
    ],
)
def test_where_nothing_can_be_said_nothing_is(more: dict[str, Any]) -> None:
    assert shown(**{**RUNS, **more})["finish_estimate_at"] is None


def test_of_a_chain_there_is_no_share_before_its_end() -> None:
    chain: dict[str, Any] = {"planned": 2001, "completed": 2000, "all_known": False}
    assert shown(**chain)["percent"] is None
    assert shown(**{**chain, "all_known": True})["percent"] == 100.0
    over = {**chain, "planned": 2000, "state": "completed", "ended_at": NOW}
    assert shown(**over)["percent"] == 100.0
    assert shown(planned=0)["percent"] is None


def test_the_times_of_a_task_are_shown_in_one_form_and_in_their_order() -> None:
    """Whatever form a column of JSON has them in."""
    times = {"completed": "2026-11-20T12:00:00.5+00:00", "planned": "2026-11-20T12:00:00+00:00"}
    none = dict.fromkeys(("id", "number", "round", "state", "records", "reason", "vendor_job"))
    callback = {"id": "c", "received_at": "2026-11-20T12:00:01.25+00:00"}
    row: Any = {**none, "attempts": [], "times": times, "callbacks": [callback]}
    body = orjson.loads(json_bytes(task_body(row)))
    assert list(body["times"].items()) == [
        ("planned", "2026-11-20T12:00:00Z"),
        ("completed", "2026-11-20T12:00:00.500000Z"),
    ]
    assert body["callbacks"] == [{"id": "c", "received_at": "2026-11-20T12:00:01.250000Z"}]


def test_times_have_one_form_also_beside_what_is_written_the_slow_way() -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert json_bytes({"at": at}) == b'{"at":"2026-11-20T12:00:00Z"}'
    assert json_bytes({"at": at, "n": 2**70}).startswith(b'{"at":"2026-11-20T12:00:00Z"')


def test_completeness_is_told_where_the_vendor_told_a_total() -> None:
    assert shown()["completeness"] is None
    told = {"expected": 500, "distinct": 450, "complete": False}
    assert shown(expected=500, distinct_records=450, complete=False)["completeness"] == told
