"""What an answer says, with its body as it came."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.call.decide import RetryAt, Succeeded, Try
from services.fetcher.call.examine import Findings, Question, examine
from services.fetcher.call.facts import AnswerOrigin
from shared.events.payloads import Processing
from shared.events.tasks import Call, FactsWanted, FetchRequested
from shared.ids import new_id
from shared.specification import bodies
from shared.specification.vendor import Vendor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOTAL = FactsWanted(total="body.total", detect=True)
RULES = [{"when": f"body.state == '{state}'", "is": "retry"} for state in ("pending", "queued", "running")]


def found(body: bytes | None, facts: FactsWanted | None = TOTAL, rules: list[Any] | None = None) -> Findings:
    request = FetchRequested(
        task_id=new_id(),
        job_id=new_id(),
        number=0,
        vendor="x",
        call=Call(path="/x"),
        facts=facts,
        processing=Processing(source="x"),
    )
    document = {"vendor": "x", "base_url": "https://x.example", "outcomes": rules or []}
    question = Question(request, Vendor.model_validate(document), Try(1, NOW, None, repeatable=True), NOW, 0.5)
    return examine(question, AnswerOrigin(200, {}, "https://x.example/x"), body)


def test_a_body_is_read_once_whatever_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read, bodies_read = bodies._read_quickly, list[bytes]()

    def counting(body: bytes) -> Any:
        bodies_read.append(body)
        return read(body)

    monkeypatch.setattr(bodies, "_read_quickly", counting)
    facts = found(b'{"items": [1], "total": 7}', rules=RULES).facts
    assert facts is not None
    assert (facts.total, len(bodies_read)) == (7, 1)
    assert isinstance(found(b'{"state": "running"}', rules=RULES).verdict, RetryAt)
    assert len(bodies_read) == 2


def test_a_body_is_not_read_where_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_read_quickly", None)
    assert found(b'{"items": []}', None) == Findings(Succeeded())
    assert found(None, rules=RULES) == Findings(Succeeded())


NO_JSON = [b"", b"  ", b"<html>oops</html>", b'{"items": [1, 2', b"\xff\xfe", b"NaN", b"{}x"]


def test_a_cursor_with_half_of_a_surrogate_pair_is_a_problem() -> None:
    problem = found(rb'{"items": [], "next": "\ud800abc", "n": 12345678901234567890123}').problem
    assert problem is not None
    assert problem.reason == "vendor_malformed"


@pytest.mark.parametrize("body", NO_JSON)
@pytest.mark.parametrize("facts", [TOTAL, None])
def test_a_body_that_is_no_json_is_a_problem(body: bytes, facts: FactsWanted | None) -> None:
    problem = found(body, facts).problem
    assert "expected JSON" in str(problem)
    assert problem is not None
    assert problem.reason == "vendor_malformed"


@given(st.binary(max_size=40))
def test_no_bytes_are_an_exception(body: bytes) -> None:
    findings = found(body)
    assert (findings.facts is None) == (findings.problem is not None)
