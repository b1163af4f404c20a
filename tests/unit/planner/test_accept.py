"""What a job runs with: admitted only if it can be read back from its row, for what cannot would stop the release of
everybody's tasks."""

from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.planner.accept.decide import Admitted, Configured, Refused, admit
from services.planner.model import Resolved
from services.planner.paging.follow import first_step, next_step, pages_so_far
from shared.events.tasks import Call, Facts
from shared.specification.notify import Webhook
from shared.specification.request import CursorPages, Records, Request
from shared.specification.source import Poll, Source

VENDORS = {"acme": orjson.dumps({"vendor": "acme", "base_url": "https://api.acme.example/v2"})}
PLAN = {"path": "/{parameters.region}/size", "query": {"of": "{parameters.region}"}, "total": "body.total"}


def admitted(document: dict[str, Any]) -> Admitted:
    found = admit(uuid4(), document, Configured(VENDORS, {}))
    assert isinstance(found, Admitted), found
    return found


def refused(document: dict[str, Any]) -> dict[str, str]:
    found = admit(uuid4(), document, Configured(VENDORS, {}))
    assert isinstance(found, Refused), found
    return {problem.pointer: problem.detail for problem in found.problems}


def poll(value: str, **request: Any) -> dict[str, Any]:
    return {"vendor": "acme", "parameters": {"p": value}, "poll": {"request": {"path": "/", **request}}}


@pytest.mark.parametrize("path", ["//items", "/a/../b", "/./a", f"/{'a' * 1500}"])
def test_a_url_whose_path_no_request_could_have_is_refused_at_once(path: str) -> None:
    assert list(refused({"url": f"https://api.example{path}"})) == ["/url"]


def test_a_url_with_more_parameters_than_a_request_may_have_is_refused_at_once() -> None:
    url = "https://a.example/?"
    found = refused({"url": url + "&".join(["a"] * 1001)})
    assert found == {"/url": "expected at most 1000 values in the query"}
    job = admitted({"url": url + "&".join(["a"] * 1000)})
    assert Resolved.model_validate_json(job.resolved_json).poll is not None


def test_a_url_whose_query_is_one_long_token_is_admitted_and_can_be_read_back() -> None:
    """Without `=` the token is a parameter's name."""
    url = "https://a.example/?"
    token = "t" * (2048 - len(url))
    job = admitted({"url": url + token})
    poll = Resolved.model_validate_json(job.resolved_json).poll
    assert poll is not None
    assert poll.request.query == {token: ""}


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


@pytest.mark.parametrize(
    ("own", "heard"),
    [({}, "https://of-the-source.example/"), ({"notify": [{"webhook": "https://own.example/"}]}, None)],
)
def test_a_job_of_a_source_may_tell_others_than_its_source_does(own: dict[str, Any], heard: str | None) -> None:
    source = Source.model_validate(
        {"source": "orders", "vendor": "acme", "poll": {}, "notify": [{"webhook": "https://of-the-source.example/"}]}
    )
    known = Configured(vendors=VENDORS, sources={"orders": source})
    job = admit(uuid4(), {"source": "orders", **own}, known)
    assert isinstance(job, Admitted), job
    [webhook] = job.resolved.output.notify
    assert isinstance(webhook, Webhook)
    assert webhook.webhook == (heard or "https://own.example/")


def test_a_parameter_with_several_values_keeps_them() -> None:
    query = {"state": ["open", "{parameters.p}"], "n": 1}
    for document in (poll("paid", query=query), {"url": "https://a.example/?state=open&state=paid&n=1"}):
        assert admitted(document).tasks[0].planned.call.query == {"state": ("open", "paid"), "n": "1"}


def test_true_and_false_are_written_as_json_has_them_wherever_they_stand() -> None:
    p = "{parameters.p}"
    request = {"path": f"/{p}", "query": {"a": p, "b": f"={p}", "c": [p]}, "headers": {"X-A": p, "X-B": f"={p}"}}
    document = poll("", method="POST", **request, json=[p, f"={p}"])
    call = admitted({**document, "parameters": {"p": True}}).tasks[0].planned.call
    assert (call.path, call.query) == ("/true", {"a": "true", "b": "=true", "c": ("true",)})
    assert (call.headers, call.body) == ({"X-A": "true", "X-B": "=true"}, [True, "=true"])


def test_braces_with_nothing_between_them_are_no_placeholder() -> None:
    document = poll("x", method="POST", query={"q": "{}"}, json=["{}", "{}{parameters.p}", "{{}}"])
    call = admitted(document).tasks[0].planned.call
    assert (call.query, call.body) == ({"q": "{}"}, ["{}", "{}x", "{}"])
    resolved = searched("x", {"style": "page"}, ["{}", "{page.number}", "{}{parameters.p}", "{{}}"])
    assert [one.body for one in follow(resolved)] == [["{}", 1, "{}x", "{}"]]


SEARCH = {"method": "POST", "path": "/search"}
GRAPHQL = 'query {{ items(first: {page.size}, of: "{parameters.p}") {{ id }} }}'


def searched(value: str, pages: dict[str, Any], json: Any, **request: Any) -> Resolved:
    document = {"vendor": "acme", "parameters": {"p": value}}
    return admitted({**document, "poll": {"request": {**SEARCH, "json": json, **request}, "pages": pages}}).resolved


def follow(resolved: Resolved, *answers: Facts) -> list[Call]:
    """The calls of a chain, of a job that was read back from its row."""
    stored = resolved.model_dump_json(by_alias=True, exclude_defaults=True)
    resolved = Resolved.model_validate_json(stored)
    [planned] = first_step(resolved).calls
    calls = [planned.call]
    for answer in answers:
        [planned] = next_step(resolved, planned, answer, len(calls)).calls
        calls.append(planned.call)
    return calls


def test_pages_that_are_asked_for_in_the_body_are_asked_for_nowhere_else() -> None:
    json = {"from": "{page.offset}", "size": "{page.size}", "of": "{parameters.p}", "kept": "{{page.offset}}"}
    resolved = searched("{page.offset}", {"style": "offset", "size": 10, "total": "body.n"}, json)
    [first] = first_step(resolved).calls
    step = next_step(resolved, first, Facts(total=25, items=10), 1)
    calls = [first.call, *(one.call for one in step.calls)]
    assert [call.body for call in calls] == [
        {"from": at, "size": 10, "of": "{page.offset}", "kept": "{page.offset}"} for at in (0, 10, 20)
    ]
    assert all(call.query == {} for call in calls)


def test_pages_may_be_asked_for_in_every_part_of_a_request() -> None:
    parts = {"path": "/{page.number}", "query": {"n": "{page.size}"}, "headers": {"X-Page": "{page.number}"}}
    resolved = searched("", {"style": "page", "size": 5, "pages": "body.n"}, None, **parts)
    [first] = first_step(resolved).calls
    [second] = next_step(resolved, first, Facts(pages=2, items=5), 1).calls
    assert (second.call.path, second.call.query, second.call.headers) == ("/2", {"n": "5"}, {"X-Page": "2"})


def test_the_size_that_metadata_allow_is_the_size_that_is_asked_for_in_the_body() -> None:
    plan = {"path": "/n", "total": "body.n", "size": "body.max"}
    resolved = searched("", {"style": "offset", "size": 100, "plan": plan}, {"o": "{page.offset}", "n": "{page.size}"})
    [metadata] = first_step(resolved).calls
    planned = next_step(resolved, metadata, Facts(total=25, size=10), 1).calls
    assert [one.call.body for one in planned] == [{"o": at, "n": 10} for at in (0, 10, 20)]
    assert pages_so_far(resolved, planned[-1]) == 3


def test_a_cursor_in_the_body_is_left_out_of_the_first_page() -> None:
    json = {
        "query": GRAPHQL,
        "variables": {"after": "{page.cursor}", "all": ["{page.cursor}"], "note": "c={page.cursor}"},
    }
    resolved = searched(
        "a{b}", {"style": "cursor", "next": "body.next", "size": 3}, json, headers={"X": "{page.cursor}"}
    )
    first, second, third = follow(resolved, Facts(items=3, next="{abc}"), Facts(items=3, next="7", next_is_whole=True))
    query = 'query { items(first: 3, of: "a{b}") { id } }'
    assert first.body == {"query": query, "variables": {"all": [], "note": "c="}}
    assert (first.headers, second.headers, first.query) == ({}, {"X": "{abc}"}, {})
    assert second.body == {"query": query, "variables": {"after": "{abc}", "all": ["{abc}"], "note": "c={abc}"}}
    assert third.body == {"query": query, "variables": {"after": 7, "all": [7], "note": "c=7"}}


@pytest.mark.parametrize("more", [[], ["x"]])
def test_a_cursor_among_several_values_is_left_out_of_the_first_page(more: list[str]) -> None:
    resolved = searched("", {"style": "cursor", "next": "body.next"}, None, query={"after": ["{page.cursor}", *more]})
    first, second = follow(resolved, Facts(items=3, next="c1"))
    assert (first.query, second.query) == ({"after": tuple(more)} if more else {}, {"after": ("c1", *more)})


def test_a_job_whose_first_page_cannot_be_asked_for_is_refused() -> None:
    """It would have no task, and never end. The checks of a source leave no such request; this one passed none."""
    request = Request.model_construct(headers={"X": "ä{page.cursor}"})
    pages = CursorPages(style="cursor", next="body.next")
    work = Poll.model_construct(request=request, pages=pages, records=Records())
    source = Source.model_construct(source="orders", vendor="acme", poll=work)
    found = admit(uuid4(), {"source": "orders"}, Configured(VENDORS, {"orders": source}))
    assert isinstance(found, Refused), found
    [problem] = found.problems
    assert problem.pointer == "/poll/request"
    assert problem.detail.startswith("invalid_request: the first page cannot be asked for: /headers/X expected")


def test_a_cursor_that_no_header_can_carry_ends_the_job_with_its_reason() -> None:
    pages = {"style": "keyset", "field": "id"}
    resolved = searched("", pages, None, headers={"X-After": "{page.cursor}"})
    [first] = first_step(resolved).calls
    step = next_step(resolved, first, Facts(items=3, next="a\nb"), 1)
    assert (step.calls, step.all_planned) == ((), True)
    assert step.problem.startswith("vendor_malformed: the cursor cannot be sent: /headers/X-After expected")


@given(st.text(), st.text(max_size=50))
def test_whatever_is_admitted_can_be_read_back(value: str, path: str) -> None:
    request = {"path": "/{parameters.p}/x", "query": {"q": "{parameters.p}"}, "headers": {"X-P": "{parameters.p}"}}
    for document in (
        poll(value, **request),
        poll(value, path="/a/{parameters.p}"),
        {"url": f"https://a.example/{path}"},
    ):
        found = admit(uuid4(), document, Configured(VENDORS, {}))
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


def test_what_a_job_runs_with_has_its_correlation_id_and_no_trace_of_one_that_is_not_there() -> None:
    correlation_id = uuid4()
    document = {"vendor": "acme", "request": {"path": "/quote"}}
    job = admit(uuid4(), document, Configured(VENDORS, {}), correlation_id)
    assert isinstance(job, Admitted), job
    assert Resolved.model_validate_json(job.resolved_json).correlation_id == correlation_id
    assert "correlation_id" not in orjson.loads(admitted(document).resolved_json)
