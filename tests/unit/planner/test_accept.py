"""What a job runs with: admitted only if it can be read back from its row, for what cannot would stop the release of
everybody's tasks."""

from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.planner.accept.decide import Admitted, Known, Refused, admit
from services.planner.model import Resolved

VENDORS = {"acme": orjson.dumps({"vendor": "acme", "base_url": "https://api.acme.example/v2"})}
PLAN = {"path": "/{parameters.region}/size", "query": {"of": "{parameters.region}"}, "total": "body.total"}


def admitted(document: dict[str, Any]) -> Admitted:
    found = admit(uuid4(), document, Known(VENDORS, {}))
    assert isinstance(found, Admitted), found
    return found


def refused(document: dict[str, Any]) -> dict[str, str]:
    found = admit(uuid4(), document, Known(VENDORS, {}))
    assert isinstance(found, Refused), found
    return {problem.pointer: problem.detail for problem in found.problems}


def poll(value: str, **request: Any) -> dict[str, Any]:
    return {"vendor": "acme", "parameters": {"p": value}, "poll": {"request": {"path": "/", **request}}}


@pytest.mark.parametrize("path", ["//items", "/a/../b", "/./a", f"/{'a' * 1500}"])
def test_a_url_whose_path_no_request_could_have_is_refused_at_once(path: str) -> None:
    assert list(refused({"url": f"https://api.example{path}"})) == ["/url"]


@pytest.mark.parametrize("value", ["..", ".", "x" * 2000])
def test_a_value_that_would_make_another_path_is_refused(value: str) -> None:
    assert list(refused(poll(value, path="/items/{parameters.p}"))) == ["/poll/request/path"]


@pytest.mark.parametrize("value", ["a\nb", "ä"])
def test_a_value_that_no_header_can_carry_is_refused(value: str) -> None:
    assert list(refused(poll(value, headers={"X-P": "{parameters.p}"}))) == ["/poll/request/headers/X-P"]


def test_the_metadata_call_has_its_placeholders_filled_like_the_request() -> None:
    document = {"vendor": "acme", "poll": {"pages": {"style": "offset", "plan": PLAN}}}
    call = admitted({**document, "parameters": {"region": "eu"}}).tasks[0].planned.call
    assert (call.path, call.query) == ("/eu/size", {"of": "eu"})
    assert set(refused(document)) == {"/poll/pages/plan/path", "/poll/pages/plan/query/of"}


def test_a_parameter_with_several_values_keeps_them() -> None:
    query = {"state": ["open", "{parameters.p}"], "n": 1}
    for document in (poll("paid", query=query), {"url": "https://a.example/?state=open&state=paid&n=1"}):
        assert admitted(document).tasks[0].planned.call.query == {"state": ("open", "paid"), "n": "1"}


@given(st.text(), st.text(max_size=50))
def test_whatever_is_admitted_can_be_read_back(value: str, path: str) -> None:
    request = {"path": "/{parameters.p}/x", "query": {"q": "{parameters.p}"}, "headers": {"X-P": "{parameters.p}"}}
    for document in (
        poll(value, **request),
        poll(value, path="/a/{parameters.p}"),
        {"url": f"https://a.example/{path}"},
    ):
        found = admit(uuid4(), document, Known(VENDORS, {}))
        if isinstance(found, Admitted):
            text = found.resolved.model_dump_json(by_alias=True, exclude_defaults=True)
            assert Resolved.model_validate_json(text).poll is not None


USED_TWICE = {"a": "{input.t}", "b": "{input.t}"}


def invoked(**invoke: Any) -> dict[str, Any]:
    submit = {"path": "/jobs", "json": {"to": "{callback.url}"}}
    return {"vendor": "acme", "invoke": {"submit": submit, "deadline": "1h", **invoke}, "input": [{"t": "x" * 600_000}]}


def test_a_call_that_its_values_make_too_large_is_refused_by_name() -> None:
    [(pointer, detail)] = refused(
        invoked(submit={"path": "/jobs", "json": {"to": "{callback.url}", **USED_TWICE}})
    ).items()
    assert pointer == "/invoke/submit/json"
    assert detail.startswith("too_large: with its values it makes a call of 1200")
    assert detail.endswith("at most 1015808")


def test_a_call_that_would_come_later_is_refused_at_once() -> None:
    abort = {"method": "DELETE", "path": "/jobs/1", "json": USED_TWICE}
    assert list(refused(invoked(abort=abort))) == ["/invoke/abort/json"]


def test_a_request_that_its_parameters_make_too_large_is_refused_by_name() -> None:
    request = {"method": "POST", "path": "/", "json": {"a": "{parameters.t}", "b": "{parameters.t}"}}
    document = {"vendor": "acme", "request": request, "parameters": {"t": "x" * 600_000}}
    assert list(refused(document)) == ["/request/json"]


def test_values_that_fit_are_admitted() -> None:
    assert len(admitted(invoked()).tasks) == 1
