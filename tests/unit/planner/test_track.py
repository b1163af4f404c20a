"""What a batch of task events means for a job: however they come, each task counts once, and the last one ends it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.planner.ending import end_of, reason_of
from services.planner.messages import ended
from services.planner.model import JobRow, PlannedCall, Resolved, Single
from services.planner.paging.unique_key import Walked, write_key
from services.planner.track.decide import (
    MOST_BARREN,
    Advance,
    Change,
    PageRead,
    advance,
    inserted,
    latest,
    loops,
    stopped,
)
from shared.events.jobs import JobEnded, JobState
from shared.events.tasks import Call, Facts, FactsWanted, TaskChanged, TaskState
from shared.specification.invoke import Invoke
from shared.specification.request import OffsetPages, Records, Request
from shared.specification.source import Output, Poll
from tests.unit.planner.job_rows import JOB, job_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLL = Poll(request=Request(path="/items"), pages=OffsetPages(style="offset", size=10, total="body.total"))
FIRST = PlannedCall(
    call=Call(path="/items", query={"offset": "0", "limit": "10"}), wanted=FactsWanted(total="body.total")
)


def job(**more: Any) -> JobRow:
    """One task is planned and open, and no more will follow, unless it is said otherwise."""
    return job_row(**{"resolved": Resolved(vendor="acme", source="items", poll=POLL), **more})


def change(state: TaskState = TaskState.COMPLETED, **more: Any) -> Change:
    values = {"number": 0, "records": 10, "distinct": 10, "leads_on": False, "reason": ""}
    return Change(state=state, **{**values, **more})


def event(number: int, state: TaskState, round: int = 0, facts: Facts | None = None) -> TaskChanged:
    task_id = UUID(int=number)
    return TaskChanged(
        task_id=task_id, job_id=JOB, number=number, round=round, state=state, service="fetcher", at=NOW, facts=facts
    )


def told_total(total: int, position: int) -> PageRead:
    offset = {"offset": str(position), "limit": "10"}
    asked = PlannedCall(call=Call(path="/items", query=offset), wanted=FIRST.wanted, position=position)
    return PageRead(position // 10, asked, Facts(total=total, items=min(10, total - position)), repeats=False)


@pytest.mark.parametrize(
    ("later", "distinct", "state", "complete"),
    [
        (30, 30, JobState.COMPLETED, True),
        (29, 29, JobState.COMPLETED, None),
        (29, 28, JobState.COMPLETED_WITH_FAILURES, False),
        (30, 31, JobState.COMPLETED, None),
    ],
)
def test_records_that_went_away_while_pages_were_read_leave_open_whether_all_came(
    later: int, distinct: int, state: JobState, complete: bool | None
) -> None:
    """A record that is deleted moves all after it forward: one may stand on a page that was read before it came."""
    first = advance(job(discovery_over=False), [], [told_total(30, 0)])
    last = advance(first.job, [], [told_total(later, 20)])
    assert ("went down from 30 to 29" in last.note) == (later < 30)
    over = replace(last.job, open=0, completed=3, distinct=distinct)
    assert end_of(over) is state
    event = JobEnded.model_validate_json(ended(over, state, NOW)[0].value or b"")
    assert (event.expected, event.complete) == (later, complete)


def test_a_total_that_grows_again_does_not_bring_back_what_was_missed() -> None:
    first = advance(job(discovery_over=False), [], [told_total(30, 0)])
    shrunk = advance(first.job, [], [told_total(29, 10)])
    grown = advance(replace(shrunk.job, discovery_over=False), [], [told_total(35, 20)])
    assert (grown.job.expected, grown.job.shrank) == (35, True)


def test_the_last_task_completes_the_job() -> None:
    after = advance(job(planned=2, open=2), [change()], [])
    assert (after.job.open, after.job.completed, after.job.records, after.ended) == (1, 1, 10, None)
    assert advance(after.job, [change()], []).ended is JobState.COMPLETED


@pytest.mark.parametrize("state", [TaskState.DEAD, TaskState.FAILED, TaskState.EXPIRED])
def test_a_dead_task_ends_its_job(state: TaskState) -> None:
    after = advance(job(), [change(state, reason="vendor_malformed: no JSON")], [])
    assert (after.job.open, after.job.failed, after.ended) == (0, 1, JobState.FAILED)


def test_a_job_of_one_call_fails_for_the_reason_of_its_call() -> None:
    single = Single(kind="request", request=Request(path="/quote"))
    one_call = job(resolved=Resolved(vendor="acme", source="quote", single=single, output=Output(sinks=())))
    after = advance(one_call, [change(TaskState.FAILED, reason="refused_422: no such sku")], [])
    assert (after.ended, reason_of(after.job, JobState.FAILED)) == (JobState.FAILED, "refused_422: no such sku")


def test_a_share_of_failures_may_be_tolerated() -> None:
    tolerant = Resolved(vendor="acme", source="items", poll=POLL, output=Output(sinks=(), tolerate=0.1))
    nine = job(resolved=tolerant, planned=10, open=1, completed=9)
    assert advance(nine, [change(TaskState.DEAD)], []).ended is JobState.COMPLETED_WITH_FAILURES
    eight = replace(nine, open=2, completed=8)
    assert advance(eight, [change(TaskState.DEAD), change(TaskState.DEAD)], []).ended is JobState.FAILED


def test_states_before_the_end_end_nothing() -> None:
    after = advance(job(), [change(TaskState.STORED)], [])
    assert (after.job.open, after.job.completed, after.ended) == (1, 0, None)


def test_fewer_records_than_the_vendor_told_are_noticed() -> None:
    assert advance(job(expected=11), [change()], []).ended is JobState.COMPLETED_WITH_FAILURES
    assert advance(job(expected=10), [change()], []).ended is JobState.COMPLETED


def test_a_total_plans_the_rest_at_once() -> None:
    after = advance(job(discovery_over=False), [], [PageRead(0, FIRST, Facts(total=35, items=10), repeats=False)])
    assert [one.call.query["offset"] for one in after.planned] == ["10", "20", "30"]
    assert (after.job.planned, after.job.open, after.job.expected, after.became_known) == (4, 4, 35, True)


def test_a_page_that_paging_needs_and_that_fails_is_the_reason() -> None:
    after = advance(job(discovery_over=False), [change(TaskState.DEAD, leads_on=True, reason="refused_404")], [])
    assert after.job.reason == "paging stopped at task 0: refused_404"
    assert after.ended is JobState.FAILED


def test_the_same_bytes_again_end_the_chain() -> None:
    second = replace(FIRST, position=10)
    after = advance(job(discovery_over=False), [], [PageRead(1, second, Facts(total=35, items=10), repeats=True)])
    assert after.job.reason == "pages_repeat: task 1 has the same bytes as the page before it"
    assert (after.planned, after.job.discovery_over) == ((), True)


def test_the_same_bytes_again_behind_all_that_a_total_asks_for_are_the_end() -> None:
    """Of a vendor that answers with its last page there."""
    key = write_key(Walked(10, 40, beyond=True))
    page = PageRead(4, replace(FIRST, position=40, unique_key=key), Facts(total=35, items=10), repeats=True)
    after = advance(job(discovery_over=False, expected=35), [], [page])
    assert (after.planned, after.job.discovery_over, after.job.reason) == ((), True, "")


def test_pages_without_anything_new_once_all_came_are_the_end() -> None:
    """Of a vendor whose last pages differ in more than their records."""
    many = job(open=200, planned=200, discovery_over=False, expected=35, distinct=35)
    after = advance(many, [change(distinct=0, chained=True)] * MOST_BARREN, [])
    assert (after.job.discovery_over, after.job.reason) == (True, "")


def test_pages_without_anything_new_end_the_chain() -> None:
    many = job(open=200, planned=200, discovery_over=False)
    known = [change(distinct=0, chained=True)] * MOST_BARREN
    assert not advance(many, known[1:], []).job.discovery_over
    between = advance(many, [*known[1:], change(chained=True), *known[1:]], [])
    assert between.job.barren == MOST_BARREN - 1
    after = advance(many, known, [])
    assert after.job.reason.startswith("no_new_records")
    assert after.job.discovery_over


@pytest.mark.parametrize(
    ("distinct", "expected", "reason"),
    [
        ([10, 0, 0], None, "no_new_records: all 3 pages had the same 10 records"),
        ([10, 0, 0], 10, "no_new_records: all 3 pages had the same 10 records"),
        ([10, 0, 0], 30, ""),
        ([10, 0, 1], None, ""),
        ([9, 0, 0], None, ""),
        ([10], None, ""),
    ],
)
def test_a_poll_that_was_sent_one_page_again_and_again_is_not_complete(
    distinct: list[int], expected: int | None, reason: str
) -> None:
    """Keys that are on a page more than once are another matter: what comes last for each is wanted, perhaps."""
    pages = [change(distinct=new, chained=True) for new in distinct]
    after = advance(job(open=len(pages), planned=len(pages), expected=expected), pages, [])
    assert after.job.reason == reason
    if reason:
        assert after.ended is JobState.FAILED
    else:
        assert after.ended in (JobState.COMPLETED, JobState.COMPLETED_WITH_FAILURES)


@pytest.mark.parametrize(("others_with_new", "ends"), [(0, True), (1, False)])
def test_pages_that_a_total_asks_for_end_only_if_no_page_but_the_first_has_anything_new(
    others_with_new: int, ends: bool
) -> None:
    """A vendor that ignores the offset serves its first page again and again."""
    many = job(open=200, planned=200, discovery_over=False)
    first = advance(many, [change(chained=True), *[change()] * others_with_new], [])
    after = advance(first.job, [change(distinct=0)] * (MOST_BARREN - 1), [])
    assert (after.job.reason, after.stops) == ("", False)
    after = advance(after.job, [change(distinct=0)], [])
    assert (after.job.reason.startswith("no_new_records"), after.job.discovery_over, after.stops) == (ends,) * 3
    assert after.ended is None
    over = stopped(after, after.job.open)
    assert (over.job.cancelled, over.job.open, over.ended) == (after.job.open, 0, JobState.FAILED)


def test_a_share_that_is_just_reached_is_tolerated() -> None:
    for failed in range(1, 1000):
        output = Output.model_validate({"tolerate": f"{failed / 10}%"})
        resolved = Resolved(vendor="acme", source="items", poll=POLL, output=output)
        row = job(open=0, planned=1000, failed=failed, discovery_over=True, resolved=resolved)
        assert end_of(row) is JobState.COMPLETED_WITH_FAILURES, failed


def with_plan(**more: Any) -> Resolved:
    plan = {"style": "offset", "size": 10, "plan": {"path": "/size", "total": "body.total"}, **more}
    poll = POLL.model_copy(update={"pages": OffsetPages.model_validate(plan)})
    return Resolved(vendor="acme", source="items", poll=poll)


@pytest.mark.parametrize(
    ("new", "reason"), [((10, 0), "no_new_records: all 2 pages had the same 10 records"), ((5, 5), ""), ((5, 0), "")]
)
@pytest.mark.parametrize("select", [None, "body[].lines[]"])
def test_a_metadata_call_is_no_page_without_new_records(new: tuple[int, int], reason: str, select: str | None) -> None:
    resolved = with_plan()
    assert resolved.poll is not None
    poll = resolved.poll.model_copy(update={"records": Records(select=select)})
    row = job(planned=3, open=3, resolved=resolved.model_copy(update={"poll": poll}))
    metadata = advance(row, [change(records=0, distinct=0, is_page=False, chained=True)], [])
    after = advance(metadata.job, [change(distinct=one, number=1 + at) for at, one in enumerate(new)], [])
    assert (after.job.reason, after.ended) == (reason, JobState.FAILED if reason else JobState.COMPLETED)


def test_a_metadata_call_is_no_page_of_the_limit() -> None:
    row = job(open=0, discovery_over=False, resolved=with_plan(limit=3))
    asked = PlannedCall(call=Call(path="/size"), purpose="metadata", wanted=FactsWanted(total="body.total"))
    after = advance(row, [], [PageRead(0, asked, Facts(total=30), False)])
    assert (len(after.planned), after.note) == (3, "")
    after = advance(row, [], [PageRead(0, asked, Facts(total=31), False)])
    assert (len(after.planned), after.job.reason) == (3, "page_limit: more than 3 pages")


def test_a_failed_page_that_only_growth_depended_on_is_a_failed_page_like_others() -> None:
    poll = Resolved(vendor="acme", source="items", poll=POLL, output=Output(tolerate=0.5))
    row = job(planned=2, completed=1, discovery_over=False, resolved=poll)
    dead = change(TaskState.DEAD, number=1, leads_on=True, reason="status_500")
    assert advance(row, [dead], []).ended is JobState.FAILED
    after = advance(row, [replace(dead, growth=True)], [])
    assert (after.ended, after.job.reason) == (JobState.COMPLETED_WITH_FAILURES, "")


def test_results_that_are_cut_by_a_failed_page_are_the_reason_whatever_is_tolerated() -> None:
    """Nobody knows how many pages are behind it: a share of those that are planned says nothing."""
    invoke = Invoke.model_validate({"submit": {"path": "/x"}, "deadline": "1h"})
    resolved = Resolved(vendor="acme", source="x", invoke=invoke, output=Output(tolerate=0.05))
    row = job(planned=100, completed=99, resolved=resolved)
    dead = change(TaskState.DEAD, number=101, leads_on=True, slice=7, reason="status_500")
    after = advance(row, [dead], [])
    assert reason_of(after.job, JobState.FAILED) == "results of task 7: paging stopped at task 101: status_500"
    assert after.ended is JobState.FAILED
    for harmless in (replace(dead, growth=True), replace(dead, leads_on=False)):
        after = advance(row, [harmless], [])
        assert (after.ended, after.job.cuts) == (JobState.COMPLETED_WITH_FAILURES, {})


def test_each_vendor_job_whose_results_are_cut_is_in_the_reason_and_of_very_many_that_there_are_others() -> None:
    """Redriving one of them must not make the others look complete."""
    invoke = Invoke.model_validate({"submit": {"path": "/x"}, "deadline": "1h"})
    row = job(planned=100, completed=50, resolved=Resolved(vendor="acme", source="x", invoke=invoke))
    dead = [change(TaskState.DEAD, number=100 + n, leads_on=True, slice=n // 2, reason="status_500") for n in range(80)]
    assert reason_of(advance(row, dead[:4], []).job, JobState.FAILED) == (
        "results of task 0: paging stopped at task 100: status_500; "
        "results of task 1: paging stopped at task 102: status_500"
    )
    reason = reason_of(advance(row, dead, []).job, JobState.FAILED)
    assert reason.count("results of task ") == 20
    assert reason.endswith("; results of others: cut off, too")
    assert len(reason) < 2000


@pytest.mark.parametrize(("select", "ends"), [("body.data[?open]", False), ("body.data[]", True)])
def test_pages_of_which_nothing_is_selected_are_no_endless_chain(select: str, ends: bool) -> None:
    poll = POLL.model_copy(update={"records": Records(select=select)})
    many = job(planned=99, open=99, discovery_over=False, resolved=Resolved(vendor="acme", source="items", poll=poll))
    after = advance(many, [change(records=0, distinct=0, chained=True)] * MOST_BARREN, [])
    assert bool(after.job.reason) == ends


def test_a_cursor_that_came_back_plans_nothing() -> None:
    after = loops(job(planned=3, open=2, discovery_over=False), 1)
    assert (after.planned, after.open, after.discovery_over) == (2, 1, True)
    assert after.reason.startswith("cursor_loops")


def test_what_was_not_inserted_does_not_keep_the_job_open() -> None:
    following = Advance(job(planned=2, open=1, completed=1, discovery_over=False), planned=(FIRST,))
    assert inserted(following, 1) == following
    after = inserted(following, 0)
    assert (after.job.planned, after.job.open, after.ended) == (1, 0, JobState.FAILED)


@given(st.data())
def test_the_order_of_events_does_not_matter(data: st.DataObject) -> None:
    states = [TaskState.STARTED, TaskState.RETRYING, TaskState.STORED, TaskState.COMPLETED]
    facts = Facts(items=3, total=3)
    events = [
        event(number, state, round, facts if state is TaskState.STORED else None)
        for number in range(3)
        for round in range(2)
        for state in states
    ]
    shuffled = data.draw(st.permutations(events * 2))
    found = latest(shuffled)
    assert {(one.task_id.int, one.round) for one in found} == {
        (number, round) for number in range(3) for round in (0, 1)
    }
    assert len(found) == 6
    assert {one.state for one in found} == {TaskState.COMPLETED}
    assert {one.facts for one in found} == {facts}


@pytest.mark.parametrize("first", [TaskState.COMPLETED, TaskState.DEAD])
def test_of_two_ends_in_one_batch_the_first_stands_as_it_does_across_batches(first: TaskState) -> None:
    second = TaskState.DEAD if first is TaskState.COMPLETED else TaskState.COMPLETED
    facts = Facts(items=10, digest="aa")
    [found] = latest([event(1, first), event(1, second, facts=facts)])
    assert (found.state, found.facts) == (first, facts)


def test_of_two_states_that_may_follow_each_other_the_later_stands() -> None:
    [found] = latest([event(1, TaskState.WAITING), event(1, TaskState.RETRYING)])
    assert found.state is TaskState.RETRYING
