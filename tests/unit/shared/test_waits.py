"""Vendors' jobs that nobody would ever hear of again, and ids that nobody would find: told when they are written down,
as far as it is known then."""

from typing import Any

import pytest

from shared.errors import Invalid, Problem
from shared.specification.placeholders import read_job, read_source
from shared.specification.vendor import Callbacks
from shared.specification.waits import wait_mistakes
from tests.unit.shared.test_mistakes import told_of_source

TOKEN = {"submit": {"method": "POST", "path": "/r", "json": {"to": ["{callback.url}"]}}, "deadline": "1h"}
SILENT = {"submit": {"method": "POST", "path": "/r"}, "deadline": "1h"}
ASKED = {"request": {"path": "/status"}}
VERIFY = {"scheme": "github", "secrets": ["env:ACME_HOOK"]}


def source(invoke: dict[str, Any]) -> dict[str, Any]:
    return {"source": "reports", "vendor": "acme", "invoke": invoke}


@pytest.mark.parametrize(
    ("invoke", "pointer", "detail"),
    [
        (SILENT, "/invoke", "nothing would tell the outcome: expected {callback.url} in the submit, or status, or v"),
        ({**TOKEN, "status": {**ASKED, "failed": "body.error"}}, "/invoke/status", "expected done beside failed"),
    ],
)
def test_waits_that_nothing_would_end_whatever_the_vendor_says(
    invoke: dict[str, Any], pointer: str, detail: str
) -> None:
    [(where, what)] = told_of_source(source(invoke))
    assert (where, what[: len(detail)]) == (pointer, detail)
    with pytest.raises(Invalid) as caught:
        read_job({"vendor": "acme", "invoke": invoke, "input": [{"a": 1}], "tolerate": 7})
    assert [one.pointer for one in caught.value.problems] == ["/tolerate", pointer]


@pytest.mark.parametrize("more", [{"vendor_job": "body.id"}, {"status": ASKED}, {"status": {**ASKED, "done": "body"}}])
def test_what_only_the_vendor_could_tell_is_taken(more: dict[str, Any]) -> None:
    read_source(source({**SILENT, **more}))


OUTCOME = {"failed": "body.error"}


@pytest.mark.parametrize(
    ("invoke", "rules", "pointer"),
    [
        ({**SILENT, "vendor_job": "body.id"}, {"vendor_job": "body.id"}, "/invoke"),
        ({**SILENT, "vendor_job": "body.id"}, {"verify": VERIFY}, "/invoke"),
        (TOKEN, {"outcome": OUTCOME}, "/invoke"),
        ({**SILENT, "status": ASKED}, {"outcome": OUTCOME}, "/invoke/status"),
        ({**TOKEN, "results": {"request": {"path": "/{vendor_job}"}}}, {}, "/invoke/results/request/path"),
        ({**TOKEN, "abort": {"path": "/", "json": ["{vendor_job}"]}}, {}, "/invoke/abort/json/0"),
    ],
)
def test_what_is_wrong_by_what_the_vendor_says(invoke: dict[str, Any], rules: dict[str, Any], pointer: str) -> None:
    read_source(source(invoke))
    assert places(wait_mistakes(invoke, Callbacks.model_validate(rules))) == [pointer]


@pytest.mark.parametrize(
    ("invoke", "rules"),
    [
        (TOKEN, {}),
        ({**SILENT, "vendor_job": "body.id"}, {"vendor_job": "body.id", "verify": VERIFY}),
        ({**SILENT, "status": ASKED}, {"outcome": {**OUTCOME, "done": "body.ok"}}),
        ({**SILENT, "status": {**ASKED, "done": "body.ok"}}, {"outcome": OUTCOME}),
        ({**TOKEN, "abort": {"path": "/{vendor_job}"}}, {"vendor_job": "body.id"}),
        ({**TOKEN, "abort": {"path": "/{vendor_job}"}, "vendor_job": "body.id"}, {}),
    ],
)
def test_what_the_vendor_makes_good(invoke: dict[str, Any], rules: dict[str, Any]) -> None:
    assert wait_mistakes(invoke, Callbacks.model_validate(rules)) == []


def places(problems: list[Problem]) -> list[str]:
    return [one.pointer for one in problems]


@pytest.mark.parametrize("job", [{"url": "https://a.example"}, {"vendor": "acme", "poll": {}}])
def test_records_of_a_job_that_is_no_sources_have_no_topic(job: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        read_job({**job, "sinks": [{"type": "postgres"}, {"type": "topic"}], "inptu": 1})
    assert sorted(places(list(caught.value.problems))) == ["/inptu", "/sinks"]
    read_source({"source": "orders", "vendor": "acme", "poll": {}, "sinks": [{"type": "topic"}]})
