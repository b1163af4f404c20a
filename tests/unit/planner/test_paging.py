"""Paging against honest and dishonest vendors, driven until nothing follows: it always ends, and misses nothing that
could be had."""

from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.counted import MOST_GROWTH
from services.planner.paging.follow import first_step, next_step
from services.planner.paging.unique_key import Grown, Walked, is_beyond, key_of_cursor, read_key, write_key
from shared.events.tasks import Facts
from shared.specification.request import Records, Request
from shared.specification.source import Poll
from tests.unit.planner.walking import PAGES, Answer, resolved, walk


def offsets(made: list[PlannedCall]) -> list[int]:
    return [int(str(call.call.query["offset"])) for call in made]


def serving(total: int, largest: int = 10_000, told: bool = True) -> Answer:
    """A vendor that serves `total` records in pages of at most `largest`."""

    def answer(call: PlannedCall) -> Facts:
        offset, limit = int(str(call.call.query["offset"])), int(str(call.call.query["limit"]))
        items = max(0, min(limit, largest, total - offset))
        return Facts(total=total if told else None, items=items, problem="" if told else "no total")

    return answer


@given(st.integers(0, 5000), st.integers(1, 300), st.integers(1, 300))
def test_offsets_cover_every_record_exactly_once(total: int, size: int, largest: int) -> None:
    made, steps = walk(resolved(style="offset", size=size, total="body.total"), serving(total, largest), most=10_000)
    seen = [index for call in made for index in _range(call, total, largest)]
    assert sorted(seen) == list(range(total))
    assert steps[-1].all_planned
    assert not any(step.problem for step in steps)


def _range(call: PlannedCall, total: int, largest: int) -> range:
    offset, limit = int(str(call.call.query["offset"])), int(str(call.call.query["limit"]))
    return range(offset, max(offset, min(offset + min(limit, largest), total)))


@given(st.integers(0, 2000), st.integers(1, 100), st.integers(1, 100))
def test_without_a_total_pages_are_walked_to_the_end(total: int, size: int, largest: int) -> None:
    """Also where the vendor's pages are smaller than asked for."""
    made, steps = walk(resolved(style="offset", size=size), serving(total, largest, told=False), most=10_000)
    assert sorted(i for call in made for i in _range(call, total, largest)) == list(range(total))
    assert steps[-1].all_planned


@pytest.mark.parametrize("style", ["offset", "page"])
@given(total=st.integers(0, 1000), told=st.integers(0, 1000), largest=st.integers(1, 120))
def test_a_total_below_what_was_sent_is_none(style: str, total: int, told: int, largest: int) -> None:
    """Records are missed only if the vendor's number fits the pages that it was asked for."""
    size = min(100, largest)

    def served(call: PlannedCall) -> range:
        begin = call.position if style == "offset" else size * (call.position - 1)
        return range(total)[begin : begin + size]

    job = resolved(style=style, size=100, total="body.total")
    made, steps = walk(job, lambda call: Facts(total=told, items=len(served(call))), most=10_000)
    seen = [index for call in made for index in served(call)]
    assert sorted(seen) == list(range(len(seen)))
    assert (len(seen) == total or told == len(seen) < total) and steps[-1].all_planned
    walked = any(isinstance(read_key(call.unique_key), Walked) for call in made)
    assert any(step.note for step in steps) == walked


@pytest.mark.parametrize(("style", "behind"), [("offset", 100), ("page", 11)])
@pytest.mark.parametrize("last", [10, 9])
def test_one_more_page_than_a_total_asks_for_is_fetched_where_the_last_one_is_full(
    style: str, behind: int, last: int
) -> None:
    """Whether the vendor has more, or has filled up its last page with items of the one before, shows there."""

    def answer(call: PlannedCall) -> Facts:
        if is_beyond(call.unique_key):
            return Facts(total=95, items=0)
        return Facts(total=95, items=last if call.wanted and call.wanted.growth else 10)

    made, steps = walk(resolved(style=style, size=10, total="body.total"), answer)
    assert [call.position for call in made if is_beyond(call.unique_key)] == ([behind] if last == 10 else [])
    assert len(made) == 10 + (last == 10)
    assert steps[-1].all_planned and not any(step.problem for step in steps)


@pytest.mark.parametrize("told", [{"total": 50}, {"total": 0}, {"pages": 0}])
def test_numbered_pages_are_walked_where_what_the_vendor_tells_of_them_is_less_than_it_sends(
    told: dict[str, int],
) -> None:
    sent = [100, 100, 50]

    def answer(call: PlannedCall) -> Facts:
        return Facts(items=sent[call.position - 1], **told)

    job = resolved(style="page", size=100, **{name: f"body.{name}" for name in told})
    made, steps = walk(job, answer)
    assert [call.position for call in made] == [1, 2, 3]
    [note] = [step.note for step in steps if step.note]
    [(what, number)] = told.items()
    expected = f"{number} items and has sent 100" if what == "total" else "0 pages and has sent 1"
    assert note == f"the vendor tells of {expected}; pages are read until there are no more"
    assert steps[-1].all_planned and not any(step.expected is not None or step.problem for step in steps)


def test_a_total_that_no_answer_has_is_noted_once() -> None:
    _, steps = walk(resolved(style="offset", size=100, total="body.total"), serving(250, told=False))
    assert [step.note for step in steps if step.note] == ["no total; pages are read until there are no more"]


@pytest.mark.parametrize("size_parameter", ["limit", None])
@given(total=st.integers(0, 1000), largest=st.integers(1, 120))
def test_without_a_total_numbered_pages_are_walked_to_the_end(
    size_parameter: str | None, total: int, largest: int
) -> None:
    """Of a vendor that serves at most so many at once, or always as many as it likes."""
    seen: list[int] = []

    def answer(call: PlannedCall) -> Facts:
        served = min(largest, int(str(call.call.query.get("limit", largest))))
        page = range(total)[served * (call.position - 1) : served * call.position]
        seen.extend(page)
        return Facts(items=len(page), problem="no total")

    made, steps = walk(resolved(style="page", size_parameter=size_parameter), answer, most=10_000)
    assert seen == list(range(total))
    assert len({call.unique_key for call in made}) == len(made)
    assert steps[-1].all_planned


def test_a_total_that_grows_is_followed_from_the_last_page() -> None:
    totals = iter([100, 130, 130, 130, 130])

    def answer(call: PlannedCall) -> Facts:
        total = next(totals)
        offset = int(str(call.call.query["offset"]))
        return Facts(total=total, items=max(0, min(10, total - offset)))

    made, steps = walk(resolved(style="offset", size=10, total="body.total"), answer)
    assert offsets(made) == list(range(0, 130, 10))
    assert steps[-1].all_planned
    assert steps[-1].expected == 130


@pytest.mark.parametrize("size_parameter", ["limit", None])
@given(total=st.integers(0, 2000), more=st.integers(0, 500), served=st.integers(1, 300))
def test_numbered_pages_are_counted_and_counted_again_by_what_the_vendor_serves(
    size_parameter: str | None, total: int, more: int, served: int
) -> None:
    """Whatever it is asked for: no page behind the last one is asked for, and a total that grew is followed."""
    asked: list[PlannedCall] = []

    def answer(call: PlannedCall) -> Facts:
        asked.append(call)
        now = total if len(asked) == 1 else total + more
        return Facts(total=now, items=max(0, min(served, now - served * (call.position - 1))))

    job = resolved(style="page", size=100, size_parameter=size_parameter, total="body.total")
    made, steps = walk(job, answer, most=10_000)
    pages = ceil((total + more if total > served else total) / served)
    assert [call.position for call in made] == list(range(1, max(1, pages) + 1))
    assert {call.call.query.get("limit") for call in made} == {"100" if size_parameter else None}
    assert steps[-1].all_planned


@pytest.mark.parametrize("style", ["offset", "page"])
def test_a_total_that_grows_once_is_followed_to_its_end_however_far(style: str) -> None:
    totals = iter([100, 5000, 5000])

    def answer(call: PlannedCall) -> Facts:
        return Facts(total=next(totals), items=10)

    made, steps = walk(resolved(style=style, size=10, total="body.total"), answer)
    positions = range(0, 5000, 10) if style == "offset" else range(1, 501)
    assert [call.position for call in made] == list(positions)
    assert (steps[-1].all_planned, steps[-1].expected, steps[-1].note) == (True, 5000, "")


def test_pages_by_number_up_to_a_later_total_are_as_many_as_the_vendor_serves_of_it() -> None:
    totals = iter([None, *[1000] * 99])

    def answer(call: PlannedCall) -> Facts:
        return Facts(total=next(totals), items=50)

    made, steps = walk(resolved(style="page", size=100, total="body.total"), answer)
    assert [call.position for call in made] == list(range(1, 21))
    assert (steps[-1].all_planned, steps[-1].expected) == (True, 1000)


@given(total=st.integers(101, 2000), largest=st.integers(1, 60))
def test_a_total_that_only_later_answers_have_is_followed_to_its_end(total: int, largest: int) -> None:
    """In the steps in which the vendor serves, whatever it is asked for."""
    answers = iter(range(10_000))

    def answer(call: PlannedCall) -> Facts:
        return serving(total, largest, told=next(answers) > 0)(call)

    made, steps = walk(resolved(style="offset", size=50, total="body.total"), answer, most=10_000)
    assert sorted(index for call in made for index in _range(call, total, largest)) == list(range(total))
    assert (steps[-1].all_planned, steps[-1].expected) == (True, total)


@pytest.mark.parametrize("style", ["offset", "page"])
def test_a_total_that_grows_for_ever_is_not_followed_for_ever_and_what_is_left_is_expected(style: str) -> None:
    def answer(call: PlannedCall) -> Facts:
        index = call.position // 10 if style == "offset" else call.position - 1
        return Facts(total=10 * index + 20, items=10)

    made, steps = walk(resolved(style=style, size=10, total="body.total"), answer)
    assert len(made) == 2 + MOST_GROWTH
    assert (steps[-1].all_planned, steps[-1].expected) == (True, 10 * len(made) + 10)
    assert "keeps growing" in steps[-1].note


def test_a_total_that_shrinks_lowers_what_is_expected() -> None:
    totals = iter([100, 95])

    def answer(call: PlannedCall) -> Facts:
        total = next(totals)
        return Facts(total=total, items=max(0, min(10, total - int(str(call.call.query["offset"])))))

    _, steps = walk(resolved(style="offset", size=10, total="body.total"), answer)
    assert steps[-1].expected == 95
    assert steps[-1].all_planned


def test_a_metadata_call_plans_everything_at_once() -> None:
    plan = {"path": "/items/metadata", "total": "body.total", "size": "body.size"}
    job = resolved(style="offset", size=100, plan=plan)
    first = first_step(job).calls[0]
    assert (first.purpose, first.call.path) == ("metadata", "/items/metadata")
    step = next_step(job, first, Facts(total=120, size=50), 1)
    assert [int(str(call.call.query["offset"])) for call in step.calls] == [0, 50, 100]


def test_a_metadata_answer_without_a_total_ends_the_job_with_its_reason() -> None:
    plan = {"path": "/items/metadata", "total": "body.total"}
    job = resolved(style="offset", plan=plan)
    step = next_step(job, first_step(job).calls[0], Facts(problem="the body is HTML"), 1)
    assert step.all_planned
    assert step.problem == "vendor_malformed: the body is HTML"


def test_page_numbers_follow_the_number_of_pages_told() -> None:
    job = resolved(style="page", size=10, pages="body.pages")
    made, _ = walk(job, lambda call: Facts(pages=4, items=10))
    assert [call.call.query["page"] for call in made] == ["1", "2", "3", "4"]


def test_a_cursor_is_followed_until_it_is_gone() -> None:
    cursors = iter(["a", "b", None])
    job = resolved(style="cursor", next="body.next", into={"query": "cursor"})
    made, steps = walk(job, lambda call: Facts(items=10, next=next(cursors)))
    assert [call.call.query.get("cursor") for call in made] == [None, "a", "b"]
    assert steps[-1].all_planned


def test_of_a_chain_it_is_known_at_its_end_how_long_it_is() -> None:
    cursors = iter(["a", "b", None])
    job = resolved(style="cursor", next="body.next", into={"query": "cursor"})
    _, chained = walk(job, lambda call: Facts(items=10, next=next(cursors)))
    assert [step.all_known for step in chained] == [False, False, False, True]
    _, walked = walk(resolved(style="offset", size=10), serving(25, told=False))
    assert [step.all_known for step in walked] == [False, False, False, True]


@pytest.mark.parametrize("select", ["body[]", "body[].lines[]"])
def test_with_a_total_it_is_known_from_the_first_page_on_how_many_there_are(select: str) -> None:
    records = Records(select=select)
    job = resolved(style="page", size=10, pages="body.pages")
    assert job.poll is not None
    job = job.model_copy(update={"poll": job.poll.model_copy(update={"records": records})})
    _, steps = walk(job, lambda call: Facts(pages=2, items=10))
    assert [step.all_known for step in steps] == [False, True, True]


@pytest.mark.parametrize(
    ("key", "state"),
    [
        ("longest 40 at 80", Walked(40, 80)),
        ("longest 40 beyond 80", Walked(40, 80, beyond=True)),
        ("grown 3", Grown(3)),
        (key_of_cursor("grown 3"), None),
        (None, None),
    ],
)
def test_the_keys_in_rows_of_running_jobs_are_read(key: str | None, state: Walked | Grown | None) -> None:
    assert read_key(key) == state
    assert state is None or write_key(state) == key


def test_a_cursor_that_comes_back_has_the_same_key() -> None:
    job = resolved(style="cursor", next="body.next", into={"query": "cursor"})
    first = first_step(job).calls[0]
    again = [next_step(job, first, Facts(items=1, next="same"), 1).calls[0].unique_key for _ in range(2)]
    assert again[0] == again[1] is not None


def test_a_chain_ends_at_its_limit_with_a_reason() -> None:
    job = resolved(style="cursor", next="body.next", into={"query": "cursor"}, limit=5)
    count = iter(range(100))
    made, steps = walk(job, lambda call: Facts(items=10, next=str(next(count))))
    assert len(made) == 5
    assert steps[-1].problem.startswith("page_limit")


@pytest.mark.parametrize(
    "pages",
    [
        {"style": "offset", "size": 10, "total": "body.total"},
        {"style": "page", "size": 10, "total": "body.total"},
        {"style": "page", "size": 10, "pages": "body.pages"},
    ],
)
def test_pages_are_planned_at_once_as_long_as_all_their_calls_can_be_held(pages: dict[str, Any]) -> None:
    """A body that all pages have in common is held once for each of them where they are planned."""
    poll = Poll(
        request=Request.model_validate({"path": "/items", "json": {"ids": "x" * 100_000}}),
        pages=PAGES.validate_python(pages),
    )
    job = Resolved(vendor="acme", source="items", poll=poll)
    [first] = first_step(job).calls
    few, many = (next_step(job, first, Facts(items=10, total=10 * count, pages=count), 1) for count in (600, 700))
    assert (len(few.calls), few.problem) == (599, "")
    assert (many.calls, many.problem.partition(";")[0][-6:]) == ((), " bytes")


def test_keyset_paging_starts_after_the_last_record_and_ends_with_an_empty_page() -> None:
    job = resolved(style="keyset", field="id", into={"query": "after_id"}, size=10)
    last = iter([Facts(items=10, next="10"), Facts(items=10, next="20"), Facts(items=0)])
    made, steps = walk(job, lambda call: next(last))
    assert [call.call.query.get("after_id") for call in made] == [None, "10", "20"]
    assert steps[-1].all_planned


def test_a_vendor_with_larger_pages_than_asked_for_is_followed_in_its_own_steps() -> None:
    def answer(call: PlannedCall) -> Facts:
        return Facts(total=10_000, items=250)

    made, steps = walk(resolved(style="offset", size=100, total="body.total"), answer)
    assert offsets(made) == list(range(0, 10_000, 250))
    assert (steps[-1].all_planned, steps[-1].note) == (True, "")


def test_keyset_paging_without_a_key_to_go_on_from_is_no_end() -> None:
    job = resolved(style="keyset", field="idd", into={"query": "after_id"}, size=10)
    step = next_step(job, first_step(job).calls[0], Facts(items=10), 1)
    assert step.problem == "vendor_malformed: the last record has no idd to go on from"


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("body.data[]", 7),
        ("body.data[*].attributes", 7),
        ("body.data[].{id: id, at: meta.at}", 7),
        ("body.data[?open]", None),
        ("body.data[].lines[]", None),
    ],
)
def test_a_total_is_expected_only_where_each_item_becomes_a_record(select: str, expected: int | None) -> None:
    poll = Poll(pages=PAGES.validate_python({"style": "offset", "total": "body.total"}), records=Records(select=select))
    job = Resolved(vendor="acme", source="items", poll=poll)
    step = next_step(job, first_step(job).calls[0], Facts(total=7, items=7), 1)
    assert (step.all_planned, step.expected) == (True, expected)


def test_an_answer_that_cannot_be_read_ends_the_chain_with_a_reason() -> None:
    job = resolved(style="next", next="body.next")
    step = next_step(job, first_step(job).calls[0], Facts(problem="expected JSON, the body is HTML"), 1)
    assert step.problem == "vendor_malformed: expected JSON, the body is HTML"
