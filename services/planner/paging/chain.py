"""Pages that are a chain by nature: a cursor, a keyset, a link. Pure."""

import hashlib

from services.planner.model import Planned
from services.planner.paging.step import Step, call_of
from shared.events.tasks import Facts, FactsWanted
from shared.specification.request import CursorPages, KeysetPages, LinkPages, NextPages, Pages
from shared.specification.source import Poll


def chain(poll: Poll, pages: Pages, following: str | None, query: dict[str, object] | None, done: Planned) -> Step:
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


def after_key(poll: Poll, pages: KeysetPages, done: Planned, facts: Facts) -> Step:
    """The page behind the last key of this one; an empty page is the end."""
    if facts.items == 0:
        return Step(over=True)
    if facts.next is None:
        return Step(over=True, problem=f"vendor_malformed: the last record has no {pages.field} to go on from")
    query: dict[str, object] = {pages.into.query: facts.next, pages.size_parameter: pages.size}
    return chain(poll, pages, facts.next, query, done)


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


def size_of(pages: CursorPages) -> dict[str, object]:
    """The parameter that asks for a size, where one is wanted."""
    return {pages.size_parameter: pages.size} if pages.size else {}
