"""Paging: the first calls of a poll, and the next ones from what an answer told. Pure.

Three shapes. With a total, everything else fans out at once. Without one, a page leads to the next until one comes
back short or empty. A cursor, keyset or link is a chain by nature. What a vendor tells may be wrong: a missing total
falls back to walking, a growing one is followed from the last page, a shrinking one lowers what is expected.
"""

import hashlib
from dataclasses import dataclass, replace
from math import ceil
from typing import assert_never

from services.planner.detected import from_where_it_began, style_of
from services.planner.model import Planned, Resolved
from shared.events.tasks import Call, Facts, FactsWanted
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
    Request,
)
from shared.specification.source import Poll

MOST_TASKS_AT_ONCE = 100_000
MOST_GROWTH = 20
"""How often a total that has grown is followed, before the job leaves the rest to the next one."""
_GROWN = "grown "


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from one answer.

    `over`: all calls of the job are known now. `expected`: records that the vendor says there are, where its items are
    the records. `problem`: why the
    job cannot go on. `pages`: the style that automatic paging found. `planned` may be `limit` pages more than wanted.
    """

    planned: tuple[Planned, ...] = ()
    over: bool = False
    expected: int | None = None
    problem: str = ""
    note: str = ""
    pages: Pages | None = None


def first_step(resolved: Resolved) -> Step:
    """The calls that can be made before anything is known."""
    pages, poll = resolved.paging, resolved.walk
    match pages:
        case NoPages():
            return Step((Planned(call_of(poll.request)),), over=True)
        case AutoPages():
            wanted = FactsWanted(select=poll.records.select, detect=True)
            return Step((Planned(call_of(poll.request), wanted=wanted),))
        case OffsetPages() | NumberedPages():
            return Step((_first_counted(poll, pages),))
        case CursorPages():
            wanted = FactsWanted(select=poll.records.select, next=pages.next)
            return Step((Planned(call_of(poll.request, _size(pages)), wanted=wanted),))
        case KeysetPages():
            wanted = FactsWanted(select=poll.records.select, last=pages.field)
            return Step((Planned(call_of(poll.request, {pages.size_parameter: pages.size}), wanted=wanted),))
        case NextPages():
            wanted = FactsWanted(select=poll.records.select, next=pages.next, link=True)
            return Step((Planned(call_of(poll.request), wanted=wanted),))
        case LinkPages():
            wanted = FactsWanted(select=poll.records.select, link=True)
            return Step((Planned(call_of(poll.request), wanted=wanted),))
        case _:
            assert_never(pages)


def pages_so_far(resolved: Resolved, done: Planned) -> int:
    """The place of a page in its own walk, counted from 1: a job may have many walks, each with its own limit."""
    if done.purpose == "metadata":
        return 0
    match resolved.paging:
        case OffsetPages() as pages:
            return done.position // max(1, _size_asked(pages, done)) + 1
        case NumberedPages() as pages:
            return done.position - pages.first + 1
        case _:
            return done.position + 1


def has_plan(resolved: Resolved) -> bool:
    """Whether a metadata call comes before the pages, which is none of them."""
    pages = resolved.paging
    return isinstance(pages, (OffsetPages, NumberedPages)) and pages.plan is not None


def next_step(resolved: Resolved, done: Planned, facts: Facts, planned_so_far: int) -> Step:
    """What follows from the answer to `done`, within the paging's own limit of pages."""
    step = _follow(resolved, done, facts)
    if step.expected is not None and not is_one_for_one(resolved.records.select):
        step = replace(step, expected=None)
    limit = resolved.paging.limit
    room = limit - planned_so_far
    if len(step.planned) <= room:
        return step
    if not done.cursor and room > 0:
        return replace(step, planned=step.planned[:room], over=True, note=f"stopped at the limit of {limit} pages")
    return Step(over=True, problem=f"page_limit: more than {limit} pages")


def _follow(resolved: Resolved, done: Planned, facts: Facts) -> Step:  # noqa: C901, PLR0911 - a line for each style
    pages, poll = resolved.paging, resolved.walk
    if isinstance(pages, AutoPages):
        return _detected(resolved, pages, done, facts)
    if done.purpose == "metadata":
        return _after_metadata(poll, pages, facts)
    if facts.problem and not (isinstance(pages, (OffsetPages, NumberedPages)) and facts.items is not None):
        return Step(over=True, problem=f"vendor_malformed: {facts.problem}")
    match pages:
        case NoPages():
            return Step(over=True)
        case OffsetPages():
            return _after_offset(poll, pages, done, facts)
        case NumberedPages():
            return _after_number(poll, pages, done, facts)
        case CursorPages():
            return _chain(poll, pages, facts.next, {pages.into.query: facts.next or "", **_size(pages)}, done)
        case KeysetPages():
            return _after_key(poll, pages, done, facts)
        case NextPages() | LinkPages():
            return _chain(poll, pages, facts.next, None, done)
        case _:
            assert_never(pages)


def _detected(resolved: Resolved, pages: AutoPages, done: Planned, facts: Facts) -> Step:
    if facts.problem:
        return Step(over=True, problem=f"vendor_malformed: {facts.problem}")
    if facts.detected == "unknown":
        problem = f"paging_unknown: {facts.detected_in} says that there is more, and nothing says where; name the style"
        return Step(over=True, problem=problem)
    found = style_of(pages, facts)
    if isinstance(found, NoPages):
        return Step(over=True, expected=facts.total, note="paging detected: a single page", pages=found)
    if isinstance(found, (OffsetPages, NumberedPages)):
        found, done, facts = from_where_it_began(found, done, facts)
    step = _follow(resolved.model_copy(update={"pages": found}), done, facts)
    where = f" in {facts.detected_in}" if facts.detected_in else ""
    return replace(step, note=f"paging detected: {found.style}{where}", pages=found)


def _first_counted(poll: Poll, pages: OffsetPages | NumberedPages) -> Planned:
    if pages.plan is not None:
        request = Request(path=pages.plan.path, query=pages.plan.query)
        wanted = FactsWanted(total=pages.plan.total, size=pages.plan.size)
        return Planned(call_of(request), "metadata", wanted)
    position = 0 if isinstance(pages, OffsetPages) else pages.first
    return _counted(poll, pages, position, pages.size, wants=True)


def _counted(
    poll: Poll, pages: OffsetPages | NumberedPages, position: int, size: int, *, wants: bool, growth: bool = False
) -> Planned:
    """One page by offset or number; with `wants`, its answer is read for what comes next, or for `growth` only."""
    wanted = None
    if wants:
        told = pages.pages if isinstance(pages, NumberedPages) else None
        wanted = FactsWanted(total=pages.total, pages=told, select=poll.records.select, growth=growth)
    if isinstance(pages, OffsetPages):
        query: dict[str, object] = {pages.offset_parameter: position, pages.size_parameter: size}
    else:
        query = {pages.page_parameter: position}
        if pages.size_parameter:
            query[pages.size_parameter] = size
    return Planned(call_of(poll.request, query), wanted=wanted, position=position)


def _after_metadata(poll: Poll, pages: Pages, facts: Facts) -> Step:
    if not isinstance(pages, (OffsetPages, NumberedPages)):
        return Step(over=True, problem="metadata answers belong to offset or page paging")
    if facts.total is None:
        return Step(over=True, problem=f"vendor_malformed: {facts.problem or 'the metadata tell no total'}")
    size = min(pages.size, facts.size) if facts.size else pages.size
    if facts.total == 0:
        return Step(over=True, expected=0)
    return _fan_out(poll, pages, size, first=0, total=facts.total)


def _fan_out(poll: Poll, pages: OffsetPages | NumberedPages, size: int, *, first: int, total: int) -> Step:
    """All pages from index `first` on; the last one is read again, because the total may have grown meanwhile."""
    count = ceil(total / size)
    if count - first > MOST_TASKS_AT_ONCE:
        return Step(over=True, problem=f"page_limit: {count} pages of {size}; larger pages are needed")
    planned = []
    for index in range(first, count):
        position = index * size if isinstance(pages, OffsetPages) else pages.first + index
        planned.append(_counted(poll, pages, position, size, wants=index == count - 1, growth=True))
    return Step(tuple(planned), over=not planned, expected=total)


def _after_offset(poll: Poll, pages: OffsetPages, done: Planned, facts: Facts) -> Step:
    items, end = facts.items or 0, done.position + (facts.items or 0)
    asked = _size_asked(pages, done)
    if facts.total is None:
        if items == 0 or (items < asked and done.position > 0):
            return Step(over=True)
        return Step((_counted(poll, pages, end, asked, wants=True),))
    if facts.total <= end or items == 0:
        return Step(over=True, expected=facts.total)
    if done.position == 0:
        return _fan_out(poll, pages, items, first=1, total=facts.total)
    return _follow_growth((_counted(poll, pages, end, asked, wants=True),), done, facts.total, seen=end)


def _size_asked(pages: OffsetPages | NumberedPages, done: Planned) -> int:
    asked = done.call.query.get(pages.size_parameter or "", "")
    return int(asked) if isinstance(asked, str) and asked.isdecimal() else pages.size


def _after_number(poll: Poll, pages: NumberedPages, done: Planned, facts: Facts) -> Step:
    index, items = done.position - pages.first, facts.items or 0
    asked = _size_asked(pages, done)
    count = facts.pages
    if facts.total is not None and count is None:
        size = items if index == 0 and items else asked
        count = ceil(facts.total / size)
    if count is None:
        if items == 0 or (items < asked and index > 0):
            return Step(over=True)
        return Step((_counted(poll, pages, done.position + 1, asked, wants=True),))
    if index + 1 >= count or items == 0:
        return Step(over=True, expected=facts.total)
    if count > MOST_TASKS_AT_ONCE:
        return Step(over=True, problem=f"page_limit: {count} pages; larger pages are needed")
    planned = [
        _counted(poll, pages, pages.first + later, asked, wants=later == count - 1, growth=True)
        for later in range(index + 1, count)
    ]
    if index == 0:
        return Step(tuple(planned), expected=facts.total)
    return _follow_growth(tuple(planned), done, facts.total, seen=None)


def _after_key(poll: Poll, pages: KeysetPages, done: Planned, facts: Facts) -> Step:
    if facts.items == 0:
        return Step(over=True)
    if facts.next is None:
        return Step(over=True, problem=f"vendor_malformed: the last record has no {pages.field} to go on from")
    query: dict[str, object] = {pages.into.query: facts.next, pages.size_parameter: pages.size}
    return _chain(poll, pages, facts.next, query, done)


def _follow_growth(planned: tuple[Planned, ...], done: Planned, total: int | None, *, seen: int | None) -> Step:
    """The total grew while pages were fetched: follow it, but not for ever."""
    times = int((done.cursor or "").removeprefix(_GROWN) or 0) + 1
    if times > MOST_GROWTH:
        return Step(over=True, expected=seen, note="the vendor's total keeps growing; the rest is left to the next job")
    *first, last = planned
    return Step((*first, replace(last, cursor=f"{_GROWN}{times}")), expected=total)


def _chain(poll: Poll, pages: Pages, following: str | None, query: dict[str, object] | None, done: Planned) -> Step:
    """The next link of a chain. The cursor's digest makes a chain that comes back to itself visible."""
    if not following:
        return Step(over=True)
    call = call_of(poll.request, query)
    if query is None:
        call = call.model_copy(update={"url": following})
    digest = hashlib.sha256(following.encode("utf-8", errors="replace")).hexdigest()[:32]
    return Step(
        (Planned(call, wanted=done.wanted and _narrow(done.wanted, pages), position=done.position + 1, cursor=digest),)
    )


def _narrow(wanted: FactsWanted, pages: Pages) -> FactsWanted:
    """Once automatic paging has found its style, only that is read."""
    if not wanted.detect:
        return wanted
    match pages:
        case LinkPages():
            return FactsWanted(select=wanted.select, link=True)
        case NextPages() | CursorPages():
            return FactsWanted(select=wanted.select, next=pages.next, link=isinstance(pages, NextPages))
        case _:
            return FactsWanted(select=wanted.select)


def _size(pages: CursorPages) -> dict[str, object]:
    return {pages.size_parameter: pages.size} if pages.size else {}


def call_of(request: Request, query: dict[str, object] | None = None) -> Call:
    """The call that a request stands for, with more in its query."""
    merged = {**request.query, **(query or {})}
    return Call(
        method=request.method,
        path=request.path,
        query={name: _texts(value) for name, value in merged.items()},
        headers=dict(request.headers),
        body=request.json_,
    )


def _texts(value: object) -> str | tuple[str, ...]:
    return tuple(_text(one) for one in value) if isinstance(value, (tuple, list)) else _text(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
