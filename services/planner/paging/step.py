"""What follows from one answer, and how calls are made. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.planner.model import PlannedCall, Walk
from services.planner.placeholders import as_text, fill_page
from shared.events.tasks import Call
from shared.specification.request import Pages, Request


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from one answer.

    `all_planned`: after these `calls` none will follow. `expected`: records that the vendor says there are, where its
    items are the records. `problem`: why the job cannot go on. `note`: what users are told of the paging besides.
    `pages`: the style that automatic paging found.
    """

    calls: tuple[PlannedCall, ...] = ()
    all_planned: bool = False
    expected: int | None = None
    problem: str = ""
    note: str = ""
    pages: Pages | None = None

    @property
    def all_known(self) -> bool:
        """Whether it is known how many calls there are: all are planned, or as many as a total asks for, and only its
        growth can lead on."""
        by_total = any(one.wanted is not None and one.wanted.growth for one in self.calls)
        return self.all_planned or self.expected is not None or by_total


def page_call(walk: Walk, numbers: Mapping[str, int], query: dict[str, object]) -> Call:
    """The call for one of many pages: its numbers stand where the request has their placeholders, or else are added to
    the query."""
    return call_of(fill_page(walk.request, numbers)) if walk.paged else call_of(walk.request, query)


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
    return tuple(as_text(one) for one in value) if isinstance(value, (tuple, list)) else as_text(value)
