"""A vendor that calls back early, late, twice, out of order, forged or never: each of its jobs ends once, as it did."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import cluster
from tests.support.stack import Place

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
INPUTS, ROWS = 60, 3
MANNERS = ("early", "twice", "late", "out_of_order", "forged", "never")
CALLBACKS = {
    "verify": {"scheme": "standard-webhooks", "secrets": ["env:CALLERS_SECRET"]},
    "vendor_job": "body.data.job_id",
    "outcome": {
        "done": "body.status == 'succeeded'",
        "failed": "body.status == 'failed'",
        "progress": "body.status == 'running'",
    },
}
INVOKE = {
    "submit": {"method": "POST", "path": "/reports", "json": {"n": "{input.n}", "callback_url": "{callback.url}"}},
    "vendor_job": "body.id",
    "deadline": "2m",
    "status": {
        "request": {"path": "/reports/{vendor_job}"},
        "after": "4s",
        "every": "1s",
        "done": "body.status == 'succeeded'",
        "failed": "body.status == 'failed'",
    },
    "results": {"request": {"path": "/reports/{vendor_job}/rows"}},
    "records": {"select": "body.rows[]", "key": "id"},
}


async def test_each_vendor_job_ends_once_however_the_vendor_calls_back(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLERS_SECRET", SECRET)
    async with cluster(topics, tmp_path) as running:
        reports: dict[str, Any] = {f"{manner}_share": 0.15 for manner in MANNERS}
        reports |= {"failed_share": 0.15, "late_seconds": 2.0, "rows": ROWS, "work_seconds": [0.2, 1.0], "progress": 1}
        signing = {"scheme": "standard-webhooks", "secret": SECRET}
        await running.configure_simulator("callers", reports={**reports, "sign": signing})
        await running.apply_vendor("callers", callbacks=CALLBACKS)
        document = {"vendor": "callers", "invoke": INVOKE, "input": [{"n": number} for number in range(INPUTS)]}
        job_id = await running.submit({**document, "sinks": [{"type": "postgres", "table": "called"}]})
        job = await running.ended(job_id, within_seconds=120)
        truth = (await running.truth("callers"))["reports"]
        assert truth["submits"] == truth["made"] == truth["inputs"]["distinct"] == INPUTS
        answers = truth["callbacks"]["answers"]
        assert set(answers) == {*MANNERS, "on_time", "progress"} - {"never"}
        assert set(answers.pop("forged")) == {"401"}
        assert {status for statuses in answers.values() for status in statuses} == {"202"}
        succeeded = truth["pages"]["distinct"]
        assert 0 < succeeded < INPUTS
        assert job["reason"].startswith(f"{INPUTS - succeeded} of "), job
        assert truth["row_deliveries"] == job["distinct"] == succeeded * ROWS
        rows = await running.records("called")
        assert len({row["key"] for row in rows}) == len(rows) == succeeded * ROWS
        assert await running.dead_letters() == []
