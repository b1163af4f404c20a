"""Once a page had a list of records, the pages behind it are expected to have one, in every style."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.planner.model import Resolved
from services.planner.paging.follow import first_step, next_step
from shared.events.tasks import Facts
from shared.specification.request import Pages, Request
from shared.specification.source import Poll

PAGES: TypeAdapter[Any] = TypeAdapter(Pages)


def resolved(**pages: Any) -> Resolved:
    poll = Poll(request=Request(path="/items"), pages=PAGES.validate_python(pages))
    return Resolved(vendor="acme", source="items", poll=poll)


@pytest.mark.parametrize(
    ("pages", "facts"),
    [
        ({"style": "cursor", "next": "body.next", "into": {"query": "c"}}, Facts(items=2, next="b")),
        ({"style": "keyset", "field": "id", "into": {"query": "after"}}, Facts(items=2, next="b")),
        ({"style": "link"}, Facts(items=2, next="https://a.example/2")),
        ({"style": "offset", "size": 2}, Facts(items=2)),
        ({"style": "page", "size": 2, "total": "body.total"}, Facts(items=2, total=9)),
        ({"style": "auto"}, Facts(items=2, next="b", detected="cursor", detected_in="c=body.next")),
    ],
)
def test_pages_behind_one_that_had_a_list_expect_one(pages: dict[str, Any], facts: Facts) -> None:
    job = resolved(**pages)
    [first] = first_step(job).calls
    assert not first.expects_list
    assert not any(one.expects_list for one in next_step(job, first, facts, 1).calls)
    step = next_step(job, first, facts.model_copy(update={"has_list": True}), 1)
    assert step.calls and all(one.expects_list for one in step.calls)
    job = job.model_copy(update={"pages": step.pages}) if step.pages else job
    following = next_step(job, step.calls[-1], facts.model_copy(update={"next": "c", "total": 11}), 2).calls
    assert all(one.expects_list for one in following)


def test_what_metadata_list_says_nothing_of_pages() -> None:
    job = resolved(style="offset", size=2, plan={"path": "/meta", "total": "body.total"})
    [metadata] = first_step(job).calls
    planned = next_step(job, metadata, Facts(total=4, has_list=True), 1).calls
    assert planned and not any(one.expects_list for one in planned)


@pytest.mark.parametrize("style", [{"style": "offset"}, {"style": "cursor", "next": "body.n", "into": {"query": "c"}}])
def test_a_page_without_the_list_that_it_should_have_ends_the_walk_with_its_reason(style: dict[str, Any]) -> None:
    job = resolved(**style)
    step = next_step(job, replace(first_step(job).calls[0], expects_list=True), Facts(problem="expected a list"), 2)
    assert (step.calls, step.all_planned, step.problem) == ((), True, "vendor_malformed: expected a list")
