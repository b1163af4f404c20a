"""Invocations with many inputs: what is the same for all of them costs no more than for one."""

from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.planner.accept.decide import Admitted, Configured, Refused, admit
from services.planner.placeholders import fill

VENDORS = {"acme": orjson.dumps({"vendor": "acme", "base_url": "https://api.acme.example/v2"})}
SUBMIT = {"path": "/jobs", "json": {"to": "{callback.url}"}}
STATUS = {"done": "body.done"}


def decided(inputs: list[dict[str, Any]], **invoke: Any) -> Admitted | Refused:
    document = {"submit": SUBMIT, "vendor_job": "body.id", "deadline": "1h", **invoke}
    found = admit(uuid4(), {"vendor": "acme", "invoke": document, "input": inputs}, Configured(VENDORS, {}))
    assert isinstance(found, (Admitted, Refused)), found
    return found


def mistakes(inputs: list[dict[str, Any]], **invoke: Any) -> list[tuple[str, str]]:
    found = decided(inputs, **invoke)
    assert isinstance(found, Refused), found
    return [(problem.pointer, problem.detail) for problem in found.problems]


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places of the requests that are filled."""
    places = list[str]()

    def noted(request: Any, values: Any, at: str, **more: Any) -> Any:
        places.append(at)
        return fill(request, values, at, **more)

    monkeypatch.setattr("services.planner.invocation.fill", noted)
    return places


def test_requests_that_are_the_same_for_all_inputs_are_filled_once(filled: list[str]) -> None:
    later = {"method": "POST", "path": "/jobs/{vendor_job}", "json": ["x"] * 1000}
    inputs = [{"t": number} for number in range(200)]
    found = decided(inputs, status={"request": later, **STATUS}, abort=later, results={"request": later})
    assert isinstance(found, Admitted)
    assert [task.planned.input for task in found.tasks] == inputs
    assert len(filled) == 5


def test_the_body_of_a_later_call_is_not_filled_for_each_input(filled: list[str]) -> None:
    abort = {"method": "POST", "path": "/jobs/{vendor_job}", "json": ["{input.t}"]}
    assert isinstance(decided([{"t": number} for number in range(200)], abort=abort), Admitted)
    assert len(filled) == 3


@pytest.mark.parametrize(
    ("invoke", "pointer"),
    [
        ({"status": {"request": {"path": "/{input.t}"}, **STATUS}}, "/invoke/status/request/path"),
        ({"abort": {"path": "/x", "headers": {"X-T": "{input.t}", "Y": "1"}}}, "/invoke/abort/headers/X-T"),
        ({"results": {"request": {"path": "/x/{input.t}"}}}, "/invoke/results/request/path"),
        (
            {"results": {"request": {}, "pages": {"style": "page", "plan": {"path": "/{input.t}", "total": "body.n"}}}},
            "/invoke/results/pages/plan/path",
        ),
    ],
)
def test_a_value_that_makes_a_later_call_unusable_is_found_in_every_input(invoke: dict[str, Any], pointer: str) -> None:
    inputs = [{"t": "a"}, {"t": "b"}, {"t": "x\n" if "headers" in pointer else ".."}]
    assert [found for found, _ in mistakes(inputs, **invoke)] == [pointer]
    assert isinstance(decided(inputs[:2], **invoke), Admitted)


@pytest.mark.parametrize(
    ("invoke", "pointer"),
    [
        ({"submit": {"path": "/", "json": ["{callback.url}", "{input.t}"]}}, "/invoke/submit/json/1"),
        ({"abort": {"path": "/", "json": ["{input.t}"]}}, "/invoke/abort/json/0"),
        ({"results": {"request": {"query": {"t": "{input.t}"}}}}, "/invoke/results/request/query/t"),
    ],
)
def test_a_value_that_an_input_lacks_is_found_in_every_input(invoke: dict[str, Any], pointer: str) -> None:
    [(found, detail)] = mistakes([{"t": "a"}, {"u": "b"}], **invoke)
    assert (found, detail.startswith("unknown placeholder {input.t}")) == (pointer, True)


def test_an_input_that_makes_a_later_call_too_large_is_found_among_others() -> None:
    abort = {"method": "DELETE", "path": "/jobs/1", "json": ["{input.t}", "{input.t}"]}
    inputs = [{"t": "a"}, {"t": "x" * 600_000}, {"t": "b"}]
    [(pointer, detail)] = mistakes(inputs, abort=abort)
    assert pointer == "/invoke/abort/json"
    assert detail.startswith("too_large: with its values it makes a call of 1200")


@pytest.mark.parametrize("told", ["", "{input.t}"])
def test_submits_that_are_too_large_together_are_refused_before_all_are_made(told: str) -> None:
    submit = {"path": "/jobs", "json": {"to": "{callback.url}", "for": told, "text": "x" * 300_000}}
    inputs = [{"t": number} for number in range(10_000)]
    [(pointer, detail)] = mistakes(inputs, submit=submit)
    assert pointer == "/input"
    expected = (
        "filled for 10000 inputs, the requests have 30" if told else "the submits of the first 112 of 10000 make 336"
    )
    assert detail.startswith(f"too_large: {expected}")
    assert "expected at most 33554432" in detail
    found = decided(inputs[:111], submit=submit)
    assert isinstance(found, Admitted)
    assert len(found.tasks) == 111


def test_submits_that_their_values_make_too_large_together_are_made_no_further() -> None:
    submit = {"path": "/jobs", "json": ["{callback.url}", *["{input.t}"] * 8]}
    inputs = [{"t": "x" * 5_000, "n": number} for number in range(1_000)]
    [(pointer, detail)] = mistakes(inputs, submit=submit)
    assert pointer == "/input"
    assert detail.startswith("too_large: the submits of the first 83")


@pytest.mark.parametrize(
    ("invoke", "found"),
    [
        ({"submit": {"path": "/", "json": ["{callback.url}", "{input.t}", *[0] * 500]}}, "5050000 values"),
        ({"abort": {"path": "/", "query": {"q": ["{input.t}", *["x" * 20] * 999]}}}, "23"),
        ({"submit": {"path": "/", "json": ["{callback.url}", "{input.t}" * 1000]}}, "90"),
    ],
)
def test_requests_that_are_too_much_to_fill_are_refused_however_short_the_inputs_are(
    invoke: dict[str, Any], found: str
) -> None:
    [(pointer, detail)] = mistakes([{"t": ""}] * 10_000, **invoke)
    assert pointer == "/input"
    assert detail.startswith(f"too_large: filled for 10000 inputs, the requests have {found}")
