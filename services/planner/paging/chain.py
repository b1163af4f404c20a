"""Pages that are a chain by nature: a cursor, a keyset, a link. Pure."""

from services.planner.model import PlannedCall, Walk
from services.planner.paging.step import Step, call_of
from services.planner.paging.unique_key import key_of_cursor
from services.planner.placeholders import Absent, Value, fill
from shared.errors import Problem
from shared.events.tasks import Call, Facts, FactsWanted
from shared.specification.request import CursorPages, KeysetPages, LinkPages, NextPages
from shared.specification.walks import CURSOR, SIZE

Chained = CursorPages | KeysetPages | NextPages | LinkPages


def chain(walk: Walk, pages: Chained, done: PlannedCall, facts: Facts) -> Step:
    """The next page of a chain."""
    following = facts.next
    if not following:
        return Step(all_planned=True)
    if isinstance(pages, (NextPages, LinkPages)):
        call: Call | list[Problem] = call_of(walk.request).model_copy(update={"url": following})
    else:
        call = cursor_call(walk, pages, int(following) if facts.next_is_whole else following)
    if isinstance(call, list):
        problem = f"vendor_malformed: the cursor cannot be sent: {call[0].pointer} {call[0].detail}"
        return Step(all_planned=True, problem=problem)
    wanted = done.wanted and _narrow(done.wanted, pages)
    key = key_of_cursor(following)
    return Step((PlannedCall(call, wanted=wanted, position=done.position + 1, unique_key=key),))


def after_key(walk: Walk, pages: KeysetPages, done: PlannedCall, facts: Facts) -> Step:
    """The page behind the last key of this one; an empty page is the end."""
    if facts.items == 0:
        return Step(all_planned=True)
    if facts.next is None:
        return Step(all_planned=True, problem=f"vendor_malformed: the last record has no {pages.field} to go on from")
    return chain(walk, pages, done, facts)


def first_of_chain(walk: Walk, pages: CursorPages | KeysetPages) -> Step:
    """The call that needs no cursor, or no call and the problem that the request has without one."""
    call = cursor_call(walk, pages, Absent.ABSENT)
    if isinstance(call, list):
        problem = f"invalid_request: the first page cannot be asked for: {call[0].pointer} {call[0].detail}"
        return Step(all_planned=True, problem=problem)
    follows = {"next": pages.next} if isinstance(pages, CursorPages) else {"last": pages.field}
    return Step((PlannedCall(call, wanted=FactsWanted(select=walk.records.select, **follows)),))


def cursor_call(walk: Walk, pages: CursorPages | KeysetPages, cursor: Value) -> Call | list[Problem]:
    """The call for the page that a cursor leads to, or why there can be none. The cursor stands where the request has
    its placeholder, or else is added to the query."""
    if walk.paged:
        values = {CURSOR: cursor} if pages.size is None else {CURSOR: cursor, SIZE: pages.size}
        filled = fill(walk.request, values, "")
        return filled if isinstance(filled, list) else call_of(filled)
    query: dict[str, object] = {} if pages.size is None else {pages.size_parameter: pages.size}
    if pages.into is not None and cursor is not Absent.ABSENT:
        query[pages.into.query] = cursor
    return call_of(walk.request, query)


def _narrow(wanted: FactsWanted, pages: Chained) -> FactsWanted:
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
