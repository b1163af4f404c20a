"""What a batch of task events means for a job: more tasks, new counts, perhaps its end. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.planner.ending import BARREN, LOOPS, also_cut, end_of, paging_stopped
from services.planner.model import JobRow, PlannedCall, Resolved, Task, number_tasks
from services.planner.paging.follow import has_plan, leads_on, next_step, pages_so_far
from services.planner.paging.step import Step
from services.planner.paging.unique_key import is_beyond
from services.planner.room import Room
from shared.events.jobs import JobState
from shared.events.tasks import END_RANK, Facts, TaskChanged, TaskState
from shared.specification.bodies import is_one_for_one
from shared.specification.request import Pages

MOST_BARREN = 50
"""Pages without a single new record, after which paging is taken for endless."""


def latest(events: Iterable[TaskChanged]) -> list[TaskChanged]:
    """One event for each task and round: the furthest state, with the facts that any of them has. Of two ends the
    first counts, as it does where they come in two batches."""
    merged: dict[tuple[UUID, int], TaskChanged] = {}
    for event in events:
        key = (event.task_id, event.round)
        before = merged.get(key)
        if before is None:
            merged[key] = event
            continue
        stays = before.state.is_end or before.state.rank > event.state.rank
        ahead, behind = (before, event) if stays else (event, before)
        if behind.facts is not None and ahead.facts is None:
            ahead = ahead.model_copy(update={"facts": behind.facts})
        merged[key] = ahead
    return sorted(merged.values(), key=lambda event: event.task_id)


def digest_of(facts: Facts, job: JobRow) -> str:
    """What is kept of an answer that leads on, so that it does so once. One that could not be read, or that comes when
    the job follows none, has led nowhere yet."""
    pages = _paging(job.resolved)
    return facts.digest if pages is not None and _follows(job) and leads_on(pages, facts) else ""


def _follows(job: JobRow) -> bool:
    """Whether answers are followed now. In an invocation each vendor job has its own pages, which end by themselves."""
    over = job.resolved.invoke is None and (job.reason or job.discovery_over)
    return job.is_open and not over


def _paging(resolved: Resolved) -> Pages | None:
    if resolved.invoke is not None:
        return None if resolved.invoke.results is None else resolved.invoke.results.pages
    return None if resolved.poll is None else resolved.paging


@dataclass(frozen=True, slots=True)
class Change:
    """A task whose state really changed. `chained`: the page after it is found in its answer. `leads_on`: that answer
    has not been read yet. `growth`: all pages are planned; its answer only shows whether the total grew. `slice`: it
    belongs to the results of this submit. `is_page`: neither metadata nor a submit."""

    number: int
    state: TaskState
    records: int
    distinct: int
    leads_on: bool
    reason: str
    chained: bool = False
    growth: bool = False
    slice: int | None = None
    is_page: bool = True


@dataclass(frozen=True, slots=True)
class PageRead:
    """The answer to the planned call of the task with this `number`. `repeats`: its bytes are those of the page before.
    `results`: what the pages of its vendor job's results are read with, where it is one of these."""

    number: int
    planned: PlannedCall
    facts: Facts
    repeats: bool
    results: Resolved | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """The job after the batch: its row, the calls that follow, and what to report."""

    job: JobRow
    planned: tuple[PlannedCall, ...] = ()
    note: str = ""
    pages: Pages | None = None
    became_known: bool = False
    ended: JobState | None = None

    @property
    def tasks(self) -> list[Task]:
        """The calls that follow, with their places, which are the last of the job."""
        return number_tasks(self.job.id, list(self.planned), self.job.planned - len(self.planned))

    @property
    def stops(self) -> bool:
        """Whether the planned pages need not be called: they would have nothing new."""
        return self.ended is None and self.job.is_open and self.job.reason.startswith(BARREN)

    @property
    def reports_progress(self) -> bool:
        """Whether progress or the end is reported. Progress after the end would show the job as running again."""
        return self.ended is not None or (self.job.is_open and self.job.progress_is_due)


def advance(job: JobRow, changes: Sequence[Change], pages: Sequence[PageRead], room: Room | None = None) -> Advance:
    """Count what changed, follow the pages that were read, and see whether the job is over.

    Raises:
        TooMuchAtOnce: the calls that follow do not fit into the `room` of the batch.
    """
    job = _count(job, changes)
    result = Advance(job)
    for page in pages:
        before = len(result.planned)
        result = _follow(result, page) if page.results is None else _follow_results(result, page, page.results)
        if room is not None:
            room.take(result.planned[before:])
    job = result.job
    if job.barren >= MOST_BARREN and not job.discovery_over:
        has_all = job.expected is not None and job.distinct >= job.expected
        job = replace(job, discovery_over=True, reason="" if has_all else f"{BARREN}{job.barren} pages had none")
    elif end_of(job) is JobState.COMPLETED and (times := _repeats_one_page(job)):
        job = replace(job, reason=f"{BARREN}all {times} pages had the same {job.distinct} records")
    return replace(result, job=job, ended=end_of(job))


def inserted(result: Advance, tasks: int) -> Advance:
    """The same, once so many of the tasks that follow were new. Those that were not have a key that the job has had."""
    lost = len(result.planned) - tasks
    if not lost:
        return result
    job = loops(result.job, lost)
    return replace(result, job=job, ended=end_of(job))


def stopped(result: Advance, tasks: int) -> Advance:
    """The same, once so many of the planned tasks were cancelled."""
    job = replace(result.job, open=result.job.open - tasks, cancelled=result.job.cancelled + tasks)
    return replace(result, job=job, ended=end_of(job))


def _count(job: JobRow, changes: Sequence[Change]) -> JobRow:
    ends = [change for change in changes if change.state.rank == END_RANK]
    completed = [change for change in ends if change.state is TaskState.COMPLETED]
    failed = [change for change in ends if change.state.is_failure]
    reason, cuts, discovery_over = job.reason, job.cuts, job.discovery_over
    for change in failed:
        if job.resolved.single is not None:
            reason = change.reason
        elif change.growth:
            discovery_over = True
        elif change.leads_on and change.slice is not None:
            cuts = also_cut(cuts, change.slice, paging_stopped(change.number, change.reason))
        elif change.leads_on and not reason and not discovery_over:
            reason = paging_stopped(change.number, change.reason)
    return replace(
        job,
        open=job.open - len(ends),
        completed=job.completed + len(completed),
        failed=job.failed + len(failed),
        cancelled=job.cancelled + len(ends) - len(completed) - len(failed),
        records=job.records + sum(change.records for change in completed),
        distinct=job.distinct + sum(change.distinct for change in completed),
        barren=_barren(job, [change for change in completed if change.is_page]),
        discovery_over=discovery_over,
        reason=reason,
        cuts=cuts,
    )


def _repeats_one_page(job: JobRow) -> int:
    """How often a poll that looks complete was sent one page, as vendors do that ignore which page is requested; 0 for
    any other job. Bytes need not be the same, for each may carry another cursor."""
    pages = job.completed - has_plan(job.resolved) if job.resolved.poll is not None else 0
    return pages if pages > 1 and job.barren >= pages - 1 and job.records == pages * job.distinct > 0 else 0


def _barren(job: JobRow, pages: Sequence[Change]) -> int:
    """Pages without a new record. Of a chain those in a row count. Pages that a total asks for have an end, so they
    count only while no more than one page of the job had anything new: the vendor may ignore which page is requested.
    """
    barren = job.barren
    selects_all = is_one_for_one(job.resolved.records.select)
    pages_before = job.completed - (job.resolved.poll is not None and has_plan(job.resolved))
    for before, change in enumerate(pages, pages_before):
        if change.distinct:
            barren = 0 if change.chained else barren
        elif (change.records or selects_all) and (change.chained or before - barren <= 1):
            barren += 1
    return barren


def _follow(so_far: Advance, page: PageRead) -> Advance:
    job = so_far.job
    if not _follows(job):
        return so_far
    step = _next_step(job.resolved, page, job.planned - has_plan(job.resolved))
    resolved = job.resolved.model_copy(update={"pages": step.pages}) if step.pages else job.resolved
    shrinks = _shrinks(job, step)
    job = replace(
        job,
        resolved=resolved,
        planned=job.planned + len(step.calls),
        open=job.open + len(step.calls),
        expected=job.expected if step.expected is None else step.expected,
        discovery_over=step.all_planned,
        reason=step.problem,
        shrank=job.shrank or bool(shrinks),
    )
    return Advance(
        job=job,
        planned=(*so_far.planned, *step.calls),
        note=step.note or shrinks or so_far.note,
        pages=step.pages or so_far.pages,
        became_known=step.all_known,
    )


def _next_step(resolved: Resolved, page: PageRead, planned_so_far: int) -> Step:
    """What follows a page. One that repeats the page before it ends the paging: beyond all that a total asks for this
    is the end that was looked for, as of vendors that answer with their last page there."""
    if not (page.repeats and page.facts.items):
        return next_step(resolved, page.planned, page.facts, planned_so_far)
    problem = f"pages_repeat: task {page.number} has the same bytes as the page before it"
    return Step(all_planned=True, problem="" if is_beyond(page.planned.unique_key) else problem)


def _shrinks(job: JobRow, step: Step) -> str:
    """What is to be said of a total that went down: records moved forward, perhaps onto a page that was read before."""
    if job.expected is None or step.expected is None or step.expected >= job.expected:
        return ""
    went_down = f"the vendor's total went down from {job.expected} to {step.expected} while pages were read"
    return f"{went_down}; a record may have been missed, which the next job fetches"


def _follow_results(so_far: Advance, page: PageRead, results: Resolved) -> Advance:
    """The next pages of one vendor job. What is wrong with them fails the job, but stops no other vendor job."""
    job = so_far.job
    if not _follows(job):
        return so_far
    step = _next_step(results, page, pages_so_far(results, page.planned))
    following = tuple(replace(one, slice=page.planned.slice) for one in step.calls)
    cuts = also_cut(job.cuts, page.planned.slice or 0, step.problem) if step.problem else job.cuts
    job = replace(job, planned=job.planned + len(following), open=job.open + len(following), cuts=cuts)
    return replace(so_far, job=job, planned=(*so_far.planned, *following), note=step.note or so_far.note)


def loops(job: JobRow, lost: int) -> JobRow:
    """The chain returned to an earlier cursor: the `lost` tasks were not inserted, and none will follow.

    Among vendor jobs others go on, and numbers are not given twice: there the lost ones count as failed.
    """
    reason = job.reason or LOOPS
    if job.resolved.invoke is not None:
        return replace(job, open=job.open - lost, failed=job.failed + lost, reason=reason)
    return replace(job, planned=job.planned - lost, open=job.open - lost, discovery_over=True, reason=reason)
