"""What automatic paging makes of the first answer: a style, and from where it goes on. Pure."""

from dataclasses import replace

from services.planner.model import PlannedCall
from shared.events.tasks import Facts
from shared.specification.request import (
    AutoPages,
    CursorPages,
    LinkPages,
    NextPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    Pages,
)


def style_of(auto: AutoPages, facts: Facts) -> Pages:
    """The style that an answer shows."""
    size = max(1, facts.items or auto.size)
    match facts.detected:
        case "link":
            return LinkPages(style="link", limit=auto.limit)
        case "next":
            return NextPages(style="next", next=facts.detected_in or "body.next", limit=auto.limit)
        case "cursor":
            name, _, expression = facts.detected_in.partition("=")
            document = {"style": "cursor", "next": expression or f"body.{name}", "into": {"query": name}}
            return CursorPages.model_validate({**document, "limit": auto.limit})
        case "offset" | "page":
            model = OffsetPages if facts.detected == "offset" else NumberedPages
            return model.model_validate({"style": facts.detected, "size": size, "limit": auto.limit})
        case _:
            return NoPages(style="none", limit=auto.limit)


def from_where_it_began(
    found: OffsetPages | NumberedPages, done: PlannedCall, facts: Facts
) -> tuple[OffsetPages | NumberedPages, PlannedCall, Facts]:
    """The style, the first page and its facts, as counted pages go on from them. The total is read again on the last
    page, so that a full last page needs no empty page behind it. But a first request may itself ask for a later
    position: then the total is left out, and pages are walked to the end."""
    name = found.offset_parameter if isinstance(found, OffsetPages) else found.page_parameter
    asked = str(done.call.query.get(name, ""))
    if isinstance(found, NumberedPages) and (asked or facts.first) in ("0", 0):
        found = found.model_copy(update={"first": 0})
    begin = 0 if isinstance(found, OffsetPages) else found.first
    position = int(asked) if asked.isdecimal() and len(asked) < 16 else begin
    done = replace(done, position=position)
    if position == begin:
        return found.model_copy(update={"total": facts.detected_in or None}), done, facts
    return found, done, facts.model_copy(update={"total": None})
