"""Automatic paging goes on from what the first request asked for, in the style that the first answer shows."""

import pytest

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.follow import first_step, next_step
from shared.events.tasks import Facts
from shared.specification.request import Request
from shared.specification.source import Poll
from tests.unit.planner.walking import Answer, resolved, walk


def begun_with(query: dict[str, str], answer: Answer) -> list[dict[str, str]]:
    """What automatic paging asks for, with what the first request asked for."""
    poll = Poll(request=Request(path="/items", query=dict(query)))
    made, _ = walk(Resolved(vendor="acme", source="items", poll=poll), answer)
    return [{name: str(value) for name, value in call.call.query.items()} for call in made]


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ({}, [None, "2", "3"]),
        ({"page": "1"}, ["1", "2", "3"]),
        ({"page": "0"}, ["0", "1", "2"]),
        ({"page": "2"}, ["2", "3"]),
    ],
)
def test_automatic_paging_goes_on_from_the_page_that_was_asked_for(query: dict[str, str], pages: list[str]) -> None:
    def answer(call: PlannedCall) -> Facts:
        index = int(str(call.call.query.get("page", "1"))) - (0 if query.get("page") == "0" else 1)
        return Facts(items=max(0, min(10, 25 - 10 * index)), total=25, detected="page")

    assert [one.get("page") for one in begun_with(query, answer)] == pages


def test_automatic_paging_goes_on_from_page_0_where_the_first_answer_says_that_it_is_that() -> None:
    """As Spring Data counts."""

    def answer(call: PlannedCall) -> Facts:
        index = int(str(call.call.query.get("page", "0")))
        return Facts(items=max(0, min(10, 25 - 10 * index)), total=25, detected="page", first=0)

    assert [one.get("page") for one in begun_with({}, answer)] == [None, "1", "2"]


@pytest.mark.parametrize(("query", "offsets"), [({}, [None, "10", "20"]), ({"offset": "15"}, ["15", "25"])])
def test_automatic_paging_goes_on_from_the_offset_that_was_asked_for(query: dict[str, str], offsets: list[str]) -> None:
    def answer(call: PlannedCall) -> Facts:
        offset = int(str(call.call.query.get("offset", "0")))
        return Facts(items=max(0, min(10, 25 - offset)), total=25 if offset < 15 else None, detected="offset")

    assert [one.get("offset") for one in begun_with(query, answer)] == offsets


@pytest.mark.parametrize("style", ["offset", "page"])
@pytest.mark.parametrize(("total", "grown"), [(30, 30), (25, 25), (30, 41)])
def test_automatic_paging_asks_for_no_page_behind_a_last_one_that_is_full(style: str, total: int, grown: int) -> None:
    def answer(call: PlannedCall) -> Facts:
        first = call.wanted is not None and call.wanted.detect
        now = total if first else grown
        begin = call.position if style == "offset" else 10 * max(call.position - 1, 0)
        counted = first or (call.wanted is not None and call.wanted.total == "body.total")
        found = {"detected": style, "detected_in": "body.total"} if first else {}
        return Facts(items=max(0, min(10, now - begin)), total=now if counted else None, **found)

    made, steps = walk(resolved(style="auto"), answer)
    assert len(made) == -(-grown // 10)
    assert (steps[-1].all_planned, steps[-1].expected) == (True, grown)


def test_automatic_paging_does_not_take_a_first_page_for_everything() -> None:
    job = resolved(style="auto")
    facts = Facts(items=10, detected="unknown", detected_in="body.has_more")
    step = next_step(job, first_step(job).calls[0], facts, 1)
    assert step.all_planned
    assert step.problem.startswith("paging_unknown: body.has_more says that there is more")


def test_automatic_paging_takes_up_the_style_it_found() -> None:
    job = resolved(style="auto")
    answers = iter(
        [Facts(items=2, next="tok", detected="cursor", detected_in="page_token=body.next_page_token"), Facts(items=1)]
    )
    made, steps = walk(job, lambda call: next(answers))
    assert made[1].call.query == {"page_token": "tok"}
    assert steps[1].note == "paging detected: cursor in page_token=body.next_page_token"
    assert made[1].wanted is not None
    assert made[1].wanted.next == "body.next_page_token"
