"""Pages by offset or number. Pure.

With a total, everything else fans out at once. Without one, a page leads to the next until one comes back empty, or
shorter than the longest so far: that shows the end also where a vendor serves fewer items than it is asked for. A total
below what the vendor has sent already is none.
"""

from dataclasses import replace
from math import ceil
from typing import Any

from services.planner.model import PlannedCall, Walk
from services.planner.paging.step import Step, call_of, page_call
from services.planner.paging.unique_key import Grown, Walked, read_key, write_key
from shared.events.tasks import Facts, FactsWanted
from shared.specification.request import NumberedPages, OffsetPages, Pages, Request
from shared.specification.walks import NUMBER, OFFSET, SIZE

MOST_TASKS_AT_ONCE = 100_000
MOST_BYTES_AT_ONCE = 64 * 2**20
"""Of the calls of one job that are planned together: they are held at once."""
MOST_GROWTH = 20
"""How often a total that has grown is followed, before the job leaves the rest to the next one."""


def first_counted(walk: Walk, pages: OffsetPages | NumberedPages) -> PlannedCall:
    """The metadata call, or else the first page."""
    if pages.plan is not None:
        request = Request(path=pages.plan.path, query=pages.plan.query)
        wanted = FactsWanted(total=pages.plan.total, size=pages.plan.size)
        return PlannedCall(call_of(request), "metadata", wanted)
    position = 0 if isinstance(pages, OffsetPages) else pages.first
    return _leading_page(walk, pages, position, pages.size)


def after_metadata(walk: Walk, pages: Pages, facts: Facts) -> Step:
    """All pages, in the largest size that the vendor allows."""
    if not isinstance(pages, (OffsetPages, NumberedPages)):
        return Step(all_planned=True, problem="metadata answers belong to offset or page paging")
    if facts.total is None:
        return Step(all_planned=True, problem=f"vendor_malformed: {facts.problem or 'the metadata tell no total'}")
    size = min(pages.size, facts.size) if facts.size else pages.size
    positions = range(0, facts.total, size)
    if isinstance(pages, NumberedPages):
        positions = range(pages.first, pages.first + len(positions))
    return _fan_out(walk, pages, positions, size, facts.total)


def after_offset(walk: Walk, pages: OffsetPages, done: PlannedCall, facts: Facts) -> Step:
    """What follows a page that was asked for by offset: its items say where the next one begins."""
    items, end = facts.items or 0, done.position + (facts.items or 0)
    asked, before = size_asked(pages, done), read_key(done.unique_key)
    disproof = "" if _comes_short(done, items, asked) else _disproof(facts.total, end, "items")
    if facts.total is None or disproof:
        following = _leading_page(walk, pages, end, asked)
        least = asked if done.position and not disproof else 1
        return _walk_on(following, done, items, least, disproof or facts.problem)
    if facts.total <= end or items == 0:
        return Step(all_planned=True, expected=facts.total)
    size = items if done.position == 0 else asked
    if isinstance(before, Walked):
        size = max(items, before.longest)
    step = _fan_out(walk, pages, range(end, facts.total, size), size, facts.total)
    return step if done.position == 0 else _follow_growth(step, before)


def after_number(walk: Walk, pages: NumberedPages, done: PlannedCall, facts: Facts) -> Step:
    """What follows a page that was asked for by its number."""
    index, items = done.position - pages.first, facts.items or 0
    asked = size_asked(pages, done)
    before = read_key(done.unique_key)
    served = (items if index == 0 else _size_served(done)) or asked
    if isinstance(before, Walked):
        served = max(items, before.longest)
    count = facts.pages
    if facts.total is not None and count is None:
        count = ceil(facts.total / served)
    disproof = ""
    if not _comes_short(done, items, served):
        sent = index + (items > 0)
        disproof = _disproof(facts.total, index * served + items, "items") or _disproof(facts.pages, sent, "pages")
    if count is None or disproof:
        following = _leading_page(walk, pages, done.position + 1, asked)
        least = asked if index and not disproof else 1
        return _walk_on(following, done, items, least, disproof or facts.problem)
    if index + 1 >= count or items == 0:
        return Step(all_planned=True, expected=facts.total)
    step = _fan_out(walk, pages, range(done.position + 1, pages.first + count), asked, facts.total, served)
    return step if index == 0 else _follow_growth(step, before)


def size_asked(pages: OffsetPages | NumberedPages, done: PlannedCall) -> int:
    """The size that a page was asked for in, which metadata may have made smaller than the configured one."""
    if done.wanted is not None and done.wanted.asked is not None:
        return done.wanted.asked
    asked = done.call.query.get(pages.size_parameter or "", "")
    return int(asked) if isinstance(asked, str) and asked.isdecimal() else pages.size


def _size_served(done: PlannedCall) -> int | None:
    """How many items the first page had, by which all were counted: a vendor may serve more or fewer than it is asked
    for."""
    return None if done.wanted is None else done.wanted.served


def _page(
    walk: Walk, pages: OffsetPages | NumberedPages, position: int, size: int, wanted: FactsWanted | None = None
) -> PlannedCall:
    """One page by offset or number."""
    if isinstance(pages, OffsetPages):
        query: dict[str, object] = {pages.offset_parameter: position, pages.size_parameter: size}
    else:
        query = {pages.page_parameter: position}
        if pages.size_parameter:
            query[pages.size_parameter] = size
    numbers = {OFFSET if isinstance(pages, OffsetPages) else NUMBER: position, SIZE: size}
    return PlannedCall(page_call(walk, numbers, query), wanted=wanted, position=position)


def _leading_page(walk: Walk, pages: OffsetPages | NumberedPages, position: int, size: int) -> PlannedCall:
    """One page whose answer is read for what comes next."""
    return _page(walk, pages, position, size, _facts_wanted(walk, pages, size))


def _facts_wanted(walk: Walk, pages: OffsetPages | NumberedPages, size: int, **more: Any) -> FactsWanted:
    count = pages.pages if isinstance(pages, NumberedPages) else None
    return FactsWanted(total=pages.total, pages=count, select=walk.records.select, asked=size, **more)


def _fan_out(
    walk: Walk,
    pages: OffsetPages | NumberedPages,
    positions: range,
    size: int,
    total: int | None,
    served: int | None = None,
) -> Step:
    """The pages at these positions; the last one is read again, because the total may have grown meanwhile."""
    if problem := _too_much(len(positions), _leading_page(walk, pages, 0, size)):
        return Step(all_planned=True, problem=problem)
    planned = [_page(walk, pages, position, size) for position in positions]
    if planned:
        planned[-1] = replace(planned[-1], wanted=_facts_wanted(walk, pages, size, growth=True, served=served))
    return Step(tuple(planned), all_planned=not planned, expected=total)


def _too_much(count: int, one: PlannedCall) -> str:
    """Why so many calls like this one are not planned at once; empty where they are."""
    if count > MOST_TASKS_AT_ONCE:
        return f"page_limit: {count} pages at once; larger pages are needed"
    if count * one.size > MOST_BYTES_AT_ONCE:
        return f"page_limit: {count} pages, each asked for with {one.size} bytes; larger pages are needed"
    return ""


def _shows_growth(done: PlannedCall) -> bool:
    """Whether this is the last page that a total asked for."""
    return done.wanted is not None and done.wanted.growth


def _comes_short(done: PlannedCall, items: int, size: int) -> bool:
    """Whether the last page that a total asked for is not full: it is the last one in any case. What it lacks may be
    gone since the total was told."""
    return _shows_growth(done) and items < size


def _disproof(told: int | None, sent: int, what: str) -> str:
    """Why a number that the vendor tells is not believed; empty where it may be true."""
    return "" if told is None or told >= sent else f"the vendor tells of {told} {what} and has sent {sent}"


def _walk_on(following: PlannedCall, done: PlannedCall, items: int, least: int, why: str) -> Step:
    """The next page, unless this was the last: shorter than the longest of its walk or, where the walk begins with it,
    than `least`. There it is noted `why` a total was not to be used."""
    before = read_key(done.unique_key)
    longest, beyond = least, _shows_growth(done)
    if isinstance(before, Walked):
        longest, beyond, why = before.longest, before.beyond, ""
    if items < longest:
        return Step(all_planned=True)
    note = f"{why}; pages are read until there are no more" if why else ""
    walked = Walked(items, following.position, beyond)
    return Step((replace(following, unique_key=write_key(walked)),), note=note)


def _follow_growth(step: Step, before: Walked | Grown | None) -> Step:
    """The pages up to a total that grew while pages were fetched, but not for ever. `before`: what the key says of the
    page that showed it."""
    times = before.times + 1 if isinstance(before, Grown) else 1
    if step.problem:
        return step
    if times > MOST_GROWTH:
        note = "the vendor's total keeps growing; the rest is left to the next job"
        return Step(all_planned=True, expected=step.expected, note=note)
    *first, last = step.calls
    return replace(step, calls=(*first, replace(last, unique_key=write_key(Grown(times)))))
