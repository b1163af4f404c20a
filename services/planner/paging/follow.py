"""The first calls of a poll, and the next ones, by the style of its paging. Pure."""

from dataclasses import replace
from typing import assert_never

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.chain import after_key, chain, first_of_chain
from services.planner.paging.counted import after_metadata, after_number, after_offset, first_counted, size_asked
from services.planner.paging.detected import from_where_it_began, style_of
from services.planner.paging.step import Step, call_of
from shared.events.tasks import Facts, FactsWanted
from shared.specification.bodies import is_one_for_one
from shared.specification.request import (
    AutoPages,
    CursorPages,
    KeysetPages,
    LinkPages,
    NextPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    Pages,
)


def first_step(resolved: Resolved) -> Step:
    """The calls that can be made before anything is known: at least one, unless the step has a problem."""
    pages, walk = resolved.paging, resolved.walk
    match pages:
        case NoPages():
            return Step((PlannedCall(call_of(walk.request)),), all_planned=True)
        case AutoPages():
            wanted = FactsWanted(select=walk.records.select, detect=True)
            return Step((PlannedCall(call_of(walk.request), wanted=wanted),))
        case OffsetPages() | NumberedPages():
            return Step((first_counted(walk, pages),))
        case CursorPages() | KeysetPages():
            return first_of_chain(walk, pages)
        case NextPages():
            wanted = FactsWanted(select=walk.records.select, next=pages.next, link=True)
            return Step((PlannedCall(call_of(walk.request), wanted=wanted),))
        case LinkPages():
            wanted = FactsWanted(select=walk.records.select, link=True)
            return Step((PlannedCall(call_of(walk.request), wanted=wanted),))
        case _:
            assert_never(pages)


def has_plan(resolved: Resolved) -> bool:
    """Whether a metadata call comes before the pages, which is none of them."""
    pages = resolved.paging
    return isinstance(pages, (OffsetPages, NumberedPages)) and pages.plan is not None


def pages_so_far(resolved: Resolved, done: PlannedCall) -> int:
    """The place of a page in its own walk, counted from 1: a job may have many walks, each with its own limit."""
    if done.purpose == "metadata":
        return 0
    match resolved.paging:
        case OffsetPages() as pages:
            return done.position // max(1, size_asked(pages, done)) + 1
        case NumberedPages() as pages:
            return done.position - pages.first + 1
        case _:
            return done.position + 1


def leads_on(pages: Pages, facts: Facts) -> bool:
    """Whether an answer shows what follows it, even if that is nothing. With a problem it does so if pages are counted
    and its items are known: paging then goes on without the missing total."""
    counted = isinstance(pages, (OffsetPages, NumberedPages))
    return not facts.problem or (counted and facts.items is not None)


def next_step(resolved: Resolved, done: PlannedCall, facts: Facts, planned_so_far: int) -> Step:
    """What follows from the answer to `done`, within the paging's own limit of pages."""
    step = _expecting_lists(_follow(resolved, done, facts), done, facts)
    if step.expected is not None and not is_one_for_one(resolved.records.select):
        step = replace(step, expected=None)
    limit = resolved.paging.limit
    room = limit - planned_so_far
    if len(step.calls) <= room:
        return step
    # The pages within the limit are fetched all the same; the problem says that there are more.
    problem = f"page_limit: more than {limit} pages"
    return replace(step, calls=step.calls[: max(0, room)], all_planned=True, problem=problem)


def _expecting_lists(step: Step, done: PlannedCall, facts: Facts) -> Step:
    """Once a page had a list, those behind it are to have one. A lone object there may be an error with status 200,
    which must neither end the walk nor become a record. Metadata are no page."""
    if done.purpose == "metadata" or not (done.expects_list or facts.has_list):
        return step
    return replace(step, calls=tuple(replace(one, expects_list=True) for one in step.calls))


def _follow(resolved: Resolved, done: PlannedCall, facts: Facts) -> Step:  # noqa: C901 - a line for each style
    pages, walk = resolved.paging, resolved.walk
    if isinstance(pages, AutoPages):
        return _detected(resolved, pages, done, facts)
    if done.purpose == "metadata":
        return after_metadata(walk, pages, facts)
    if not leads_on(pages, facts):
        return Step(all_planned=True, problem=f"vendor_malformed: {facts.problem}")
    match pages:
        case NoPages():
            return Step(all_planned=True)
        case OffsetPages():
            return after_offset(walk, pages, done, facts)
        case NumberedPages():
            return after_number(walk, pages, done, facts)
        case KeysetPages():
            return after_key(walk, pages, done, facts)
        case CursorPages() | NextPages() | LinkPages():
            return chain(walk, pages, done, facts)
        case _:
            assert_never(pages)


def _detected(resolved: Resolved, pages: AutoPages, done: PlannedCall, facts: Facts) -> Step:
    if facts.problem:
        return Step(all_planned=True, problem=f"vendor_malformed: {facts.problem}")
    if facts.detected == "unknown":
        problem = f"paging_unknown: {facts.detected_in} says that there is more, and nothing says where; name the style"
        return Step(all_planned=True, problem=problem)
    found = style_of(pages, facts)
    if isinstance(found, NoPages):
        return Step(all_planned=True, expected=facts.total, note="paging detected: a single page", pages=found)
    if isinstance(found, (OffsetPages, NumberedPages)):
        found, done, facts = from_where_it_began(found, done, facts)
    step = _follow(resolved.model_copy(update={"pages": found}), done, facts)
    where = f" in {facts.detected_in}" if facts.detected_in else ""
    return replace(step, note=f"paging detected: {found.style}{where}", pages=found)
