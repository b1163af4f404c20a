"""What a submit's answer, callbacks, answers about the status and timers mean for a task that waits: in any order, as
often as they come, it ends once, and its results are planned once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from services.planner.ending import end_of, reason_of
from services.planner.invocation import outcome_of_status, plan_submits, resolve_results
from services.planner.invoke.decide import apply_event, count
from services.planner.invoke.model import AskStatus, End, EndVendorJob, Expect, Submit, Transition, Wake
from services.planner.model import Resolved
from services.planner.paging.follow import first_step, next_step
from services.planner.paging.step import Step
from shared.errors import Problem
from shared.events.callbacks import TaskDue
from shared.events.jobs import JobState
from shared.events.tasks import Facts, TaskChanged, TaskState
from shared.specification.invoke import Results
from shared.specification.request import CursorPages, Request
from tests.unit.planner.job_rows import job_row
from tests.unit.planner.submits import NOW, SUBMIT, due, heard, resolved, waits


def test_only_an_answer_about_the_status_has_a_status_of_its_own() -> None:
    rules = {"outcome": {"done": "body.ok", "progress": "body.share"}}
    asked = {"request": {"path": "/reports/{vendor_job}"}}
    gone = outcome_of_status(resolved(rules, status={**asked, "done": "body.ok", "failed": "status == `410`"}))
    assert (gone.done, gone.failed, gone.progress) == ("body.ok", "status == `410`", "body.share")
    assert outcome_of_status(resolved(rules, status=asked)).done == "body.ok"


def test_results_may_be_paged_in_the_body() -> None:
    request = {"method": "POST", "path": "/{vendor_job}/rows", "json": {"of": "{input.month}", "at": "{page.cursor}"}}
    results = {"request": request, "pages": {"style": "cursor", "next": "body.next"}}
    for month in ("2026-01", "{page.cursor}"):
        read_with = resolve_results(resolved(results=results), {"month": month}, "j1")
        assert read_with is not None
        [first] = first_step(read_with).calls
        [second] = next_step(read_with, first, Facts(items=1, next="c1"), 1).calls
        assert (first.call.path, first.call.body) == ("/j1/rows", {"of": month})
        assert (second.call.path, second.call.body) == ("/j1/rows", {"of": month, "at": "c1"})


def after(
    job: Resolved,
    *events: TaskChanged | TaskDue,
    task: Submit | None = None,
    paused: bool = False,
    now: datetime = NOW,
) -> Transition:
    found = Transition(task or waits())
    for event in events:
        found = apply_event(found, job, event, now, paused=paused)
    return found


SUBMITTED = heard(purpose="submit", vendor_job="r1")
LATER = NOW + timedelta(hours=1)
"""When the deadline of what is submitted now is over."""


def test_a_submit_that_is_answered_waits_under_its_vendors_id() -> None:
    found = after(resolved(heartbeat="10m", status={"request": {"path": "/s"}, "done": "body.ok"}), SUBMITTED)
    assert (found.task.state, found.task.vendor_job) == (TaskState.WAITING, "r1")
    assert found.effects == (
        Expect(),
        Wake("heartbeat", timedelta(minutes=10), 0),
        Wake("status", timedelta(minutes=1), 0),
    )


def test_done_completes_and_plans_the_results_within_the_same_job() -> None:
    found = after(resolved(), SUBMITTED, heard(reported="done"))
    assert (found.effects, found.task.state) == ((End(),), TaskState.COMPLETED)
    job = job_row(resolved=resolved())
    counted, [page] = count(job, [found.task])
    assert (page.call.path, page.call.query, page.slice) == ("/reports/r1/rows", {"month": "2026-01"}, 0)
    assert (counted.open, counted.planned, counted.completed) == (1, 2, 1)


def test_a_callback_before_the_submits_answer_waits_for_the_id_that_its_results_need() -> None:
    early = after(resolved(), heard(reported="done"))
    assert (early.effects, early.task.reported) == ((), "done")
    assert after(resolved(), SUBMITTED, task=early.task).task.state is TaskState.COMPLETED


def test_a_callback_that_names_the_vendors_job_is_enough() -> None:
    found = after(resolved(), heard(reported="done", vendor_job="r9"))
    assert (found.task.state, found.task.vendor_job) == (TaskState.COMPLETED, "r9")


def test_without_results_there_is_nothing_to_wait_for() -> None:
    found = after(resolved(results=None), heard(reported="done"))
    assert found.task.state is TaskState.COMPLETED
    assert count(job_row(resolved=resolved(results=None)), [found.task])[1] == ()


def test_a_failed_vendor_job_fails_its_task() -> None:
    found = after(resolved(), SUBMITTED, heard(reported="failed"))
    assert found.task.state is TaskState.FAILED
    assert found.task.reason.startswith("vendor_failed")
    assert count(job_row(resolved=resolved()), [found.task])[0].failed == 1


def test_a_deadline_ends_the_wait_and_the_vendors_job() -> None:
    found = after(resolved(), due("deadline"), task=after(resolved(), SUBMITTED).task, now=LATER)
    assert (found.task.state, found.effects) == (TaskState.EXPIRED, (End(), EndVendorJob()))
    assert found.task.reason == "deadline_exceeded: no outcome within 3600s"
    assert not after(resolved(), heard(reported="done"), task=found.task).effects


def test_a_wait_that_ends_after_the_submits_answer_was_lost_leaves_its_outcome_unknown() -> None:
    lost = heard(purpose="submit").model_copy(update={"reason": "outcome_unknown: timeout"})
    refused = heard(purpose="status").model_copy(update={"reason": "refused_500"})
    found = after(resolved(), due("deadline"), task=after(resolved(), lost, refused).task, now=LATER)
    assert found.task.reason == "outcome_unknown: deadline_exceeded: no outcome within 3600s"


def test_a_deadline_says_when_only_the_vendors_id_was_missing() -> None:
    nameless = after(resolved(), heard(purpose="submit"), heard(reported="done")).task
    found = after(resolved(), due("deadline"), task=nameless, now=LATER)
    assert (found.task.state, found.task.reason.split(":")[0]) == (TaskState.EXPIRED, "vendor_job_missing")


@pytest.mark.parametrize("state", [TaskState.PLANNED, TaskState.RELEASED, TaskState.RETRYING])
def test_a_deadline_before_the_submit_ends_nothing(state: TaskState) -> None:
    """A release that died, a call that waits for its permit, a vendor that is paused."""
    found = after(resolved(), due("deadline"), task=replace(waits(), state=state))
    assert found.effects == (Expect(), Wake("deadline", timedelta(hours=1), 1))


def test_a_deadline_is_counted_from_the_submit() -> None:
    submitted = after(resolved(), SUBMITTED).task
    assert submitted.deadline_at == LATER
    early = after(resolved(), due("deadline", beat=3), task=submitted, now=LATER - timedelta(minutes=5))
    assert early.effects == (Expect(), Wake("deadline", timedelta(minutes=5), 4))
    assert after(resolved(), due("deadline", beat=4), task=early.task, now=LATER).effects == (End(), EndVendorJob())


def test_a_vendor_heard_of_before_its_answer_was_recorded_has_the_submit_since_then() -> None:
    """After an outage a submit may leave when the deadline of its release is over: callbacks by id are not late yet."""
    away = replace(waits(), deadline_at=NOW - timedelta(minutes=1))
    heard_of = after(resolved(), heard(reported="progress", vendor_job="r1"), task=away)
    assert (heard_of.task.deadline_at, heard_of.effects) == (LATER, (Expect(),))


def test_a_submit_answered_after_its_task_was_given_up_is_ended_at_the_vendor() -> None:
    expired = replace(waits(), state=TaskState.EXPIRED)
    late = after(resolved(), SUBMITTED, task=expired)
    assert (late.effects, late.task.vendor_job, late.task.state) == ((EndVendorJob(),), "r1", TaskState.EXPIRED)
    completed = replace(expired, state=TaskState.COMPLETED)
    assert not after(resolved(), SUBMITTED, task=completed).effects


def test_progress_extends_the_wait_by_a_heartbeat() -> None:
    job = resolved(heartbeat="10m")
    found = after(job, SUBMITTED, heard(reported="progress"))
    assert found.effects[-1] == Wake("heartbeat", timedelta(minutes=10), 1)
    assert not after(job, due("heartbeat", beat=0), task=found.task).effects
    assert after(job, due("heartbeat", beat=1), task=found.task).task.state is TaskState.EXPIRED


@pytest.mark.parametrize(
    ("late", "grace"),
    [(timedelta(seconds=9), timedelta(seconds=39)), (timedelta(hours=5), timedelta(minutes=10, seconds=30))],
)
@pytest.mark.parametrize("kind", ["deadline", "heartbeat"])
def test_a_timer_that_comes_late_leaves_time_for_what_was_reported_meanwhile_but_once(
    kind: str, late: timedelta, grace: timedelta
) -> None:
    """While Sluice was away the vendor's callbacks were acknowledged; their way is longer than the timer's."""
    job = resolved(heartbeat="1h")
    submitted = after(job, SUBMITTED).task
    found = after(job, due(kind, due_at=LATER), task=submitted, now=LATER + late)
    number = 1 if kind == "deadline" else 0
    assert found.effects[-1] == Wake(kind, grace, number, in_grace=True)  # type: ignore[arg-type]
    assert (Expect() in found.effects) == (kind == "deadline")
    assert after(job, heard(reported="done"), task=found.task).task.state is TaskState.COMPLETED
    end = due(kind, beat=number, due_at=LATER + late + grace, in_grace=True)
    assert after(job, end, task=found.task, now=LATER + 2 * (late + grace)).effects == (End(), EndVendorJob())


def test_a_timer_that_comes_on_time_ends_the_wait_at_once() -> None:
    """A rebalance or a clock that is ahead delays a timer by seconds, and is no outage."""
    job = resolved(heartbeat="1h")
    for kind in ("deadline", "heartbeat"):
        found = after(job, SUBMITTED, due(kind, due_at=LATER), now=LATER + timedelta(seconds=8))
        assert found.task.state is TaskState.EXPIRED


def test_the_status_is_asked_again_after_each_answer() -> None:
    job = resolved(status={"request": {"path": "/reports/{vendor_job}"}, "every": "5s", "done": "body.ok"})
    asked = after(job, due("status"), task=after(job, SUBMITTED).task)
    assert asked.effects == (AskStatus(),)
    answered = after(job, heard(purpose="status"), task=asked.task)
    assert answered.effects == (Wake("status", timedelta(seconds=5), 1),)
    assert not after(job, due("status", ask=0), task=answered.task).effects
    assert after(job, due("status", ask=1), task=answered.task).effects == (AskStatus(),)


@pytest.mark.parametrize(("paused", "submitted"), [(True, True), (False, False)])
def test_a_status_that_cannot_be_asked_now_is_asked_later(paused: bool, submitted: bool) -> None:
    job = resolved(status={"request": {"path": "/reports/{vendor_job}"}, "every": "5s", "done": "body.ok"})
    task = after(job, SUBMITTED).task if submitted else waits()
    found = after(job, due("status"), task=task, paused=paused)
    assert found.effects == (Wake("status", timedelta(seconds=5), 1),)


def test_what_belongs_to_another_round_means_nothing() -> None:
    task = waits()
    for event in (heard(reported="done", vendor_job="r", round=1), due("deadline", round=1)):
        assert after(resolved(), event, task=task) == Transition(task)


def submits(job: Resolved, *inputs: dict[str, Any]) -> Step | list[Problem]:
    return plan_submits(job, inputs)


@pytest.mark.parametrize(
    ("url", "month", "expected"),
    [
        ("{callback.url}", "{callback.url}", "{{callback.url}}"),
        ("{{callback.url}}", "{callback.url}", "{callback.url}"),
        ("{callback.url}", "2026", "2026"),
    ],
)
def test_no_input_brings_a_placeholder_into_a_submit(url: str, month: str, expected: str) -> None:
    """What comes from outside, by a webhook say, gets no secret URL sent to where it likes."""
    submit = {**SUBMIT, "path": "/reports/{input.month}", "json": {"month": "{input.month}", "url": url}}
    status = {"request": {"path": "/status"}, "done": "body.done"}
    step = plan_submits(resolved(submit=submit, status=status), [{"month": month}])
    assert isinstance(step, Step)
    [call] = [one.call for one in step.calls]
    assert call.body["month"] == expected
    assert call.path == f"/reports/{quote(month, safe='')}"


def test_one_submit_for_each_input_with_the_callback_url_left_open() -> None:
    step = submits(resolved(), {"month": "2026-01"}, {"month": "2026-02"})
    assert isinstance(step, Step) and step.all_planned
    assert [one.call.body["month"] for one in step.calls] == ["2026-01", "2026-02"]
    assert {one.call.body["url"] for one in step.calls} == {"{callback.url}"}


@pytest.mark.parametrize(
    ("more", "pointer", "detail"),
    [
        ({"submit": {"path": "/x/{input.year}"}}, "/invoke/submit/path", "unknown placeholder {input.year}"),
        ({"abort": {"path": "/x/{callback.url}"}}, "/invoke/abort/path", "unknown placeholder {callback.url}"),
        ({"vendor_job": None}, "/invoke/results/request/path", "unknown placeholder {vendor_job}"),
        ({"submit": {"path": "/x"}}, "/invoke", "nothing would tell the outcome"),
        ({"status": {"request": {"path": "/x"}}}, "/invoke/status", "expected done"),
    ],
)
def test_what_can_never_work_is_refused_before_anything_is_submitted(more: Any, pointer: str, detail: str) -> None:
    problems = submits(resolved(**more), {"month": "2026-01"})
    assert isinstance(problems, list)
    assert any(problem.pointer == pointer and problem.detail.startswith(detail) for problem in problems), problems


@pytest.mark.timeout(20)
def test_of_unknown_placeholders_of_one_input_the_first_are_reported() -> None:
    names = [f"n{number}" for number in range(18_000)]
    submit = {"path": "/", "json": ["{callback.url}", *(f"{{input.{name}}}" for name in names)]}
    problems = submits(resolved(submit=submit), {f"m{number}": 1 for number in range(18_000)})
    assert isinstance(problems, list)
    assert 0 < len(problems) <= 5000
    assert sum(len(one.detail) for one in problems) < 1_000_000


def unusable_results() -> Resolved:
    """Results whose first page cannot be asked for; no check that a source passes would leave them so."""
    request = Request.model_construct(headers={"X": "ä{page.cursor}"})
    results = Results.model_construct(request=request, pages=CursorPages(style="cursor", next="body.next"))
    job = resolved(vendor_job=None, status={"request": {"path": "/status"}, "done": "body.ok"})
    assert job.invoke is not None
    return job.model_copy(update={"invoke": job.invoke.model_copy(update={"results": results})})


def test_results_whose_first_page_cannot_be_asked_for_are_refused_before_anything_is_submitted() -> None:
    problems = submits(unusable_results(), {"month": "2026-01"})
    assert isinstance(problems, list)
    [problem] = problems
    assert problem.pointer == "/invoke/results/request"
    assert problem.detail.startswith("invalid_request: the first page cannot be asked for: /headers/X expected")


def test_results_whose_first_page_cannot_be_asked_for_keep_the_job_from_being_complete() -> None:
    job = job_row(resolved=unusable_results())
    done = [replace(waits(), number=number, state=TaskState.COMPLETED) for number in (0, 3)]
    counted, planned = count(replace(job, open=2), done)
    assert (planned, counted.open, counted.completed, end_of(counted)) == ((), 0, 2, JobState.FAILED)
    reason = reason_of(counted, JobState.FAILED)
    assert reason.startswith("results of task 0: invalid_request: the first page cannot be asked for: ")
    assert "; results of task 3: invalid_request: " in reason


@pytest.mark.parametrize("outcome", [{"failed": "body.error"}, {"progress": "body.share", "failed": "body.error"}])
def test_callbacks_that_can_never_say_done_are_refused_where_nothing_else_can(outcome: dict[str, str]) -> None:
    problems = submits(resolved({"outcome": outcome}), {"month": "2026-01"})
    assert isinstance(problems, list)
    assert problems[0].pointer == "/invoke"
    assert problems[0].detail.startswith("nothing would tell that a job is done")
    status = {"request": {"path": "/status"}, "done": "body.ok"}
    assert isinstance(submits(resolved({"outcome": outcome}, status=status), {"month": "2026-01"}), Step)
    assert isinstance(submits(resolved({"outcome": {**outcome, "done": "body.ok"}}), {"month": "2026-01"}), Step)
