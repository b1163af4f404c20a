"""Whether requests lead from one page to the next: by the placeholders of pages, or by what is added to their query.
Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from shared.errors import Problem
from shared.specification.parse import pointer_to
from shared.specification.request import BY_STYLE, PAGES
from shared.specification.templates import Place, placeholders_in

OFFSET, NUMBER, CURSOR, SIZE = "page.offset", "page.number", "page.cursor", "page.size"
OF_PAGES = (OFFSET, NUMBER, CURSOR, SIZE)
"""The placeholders that are filled page by page."""

_TELLS_PAGES_APART = {"offset": OFFSET, "page": NUMBER, "cursor": CURSOR, "keyset": CURSOR}
_STYLES = frozenset(get_args(model.model_fields["style"].annotation)[0] for model in get_args(PAGES))


def page_names(style: str, *, sized: bool) -> tuple[str, ...]:
    """The placeholders of pages in this style, of which the first tells one from another. `sized`: they have a size."""
    name = _TELLS_PAGES_APART.get(style)
    return () if name is None else (name, SIZE) if sized else (name,)


@dataclass(frozen=True, slots=True)
class WrittenWalk:
    """A request and the paging of its answers as they were written, right or wrong, and where they stand."""

    at: Place
    style: str
    names: tuple[str, ...]
    used: frozenset[str]
    into: Any

    def known_at(self, place: Place) -> tuple[str, ...]:
        """The placeholders of pages that may stand in a place of the request. The first page has no cursor, without
        which it would have another path than those that follow."""
        part = place[len(self.at) + 1 :][:1]
        return tuple(name for name in self.names if name != CURSOR or part != ("path",))

    @property
    def mistake(self) -> Problem | None:
        """Why pages would all be the same, or the cursor would go to two places."""
        name = _TELLS_PAGES_APART.get(self.style, "")
        request, into = (*self.at, "request"), (*self.at, "pages", "into")
        match name == CURSOR, name in self.used, SIZE in self.used, self.into is not None:
            case False, False, True, _ if name:
                return Problem(pointer_to(request), f"has {{{SIZE}}} and not {{{name}}}: all pages would be one")
            case True, True, _, True:
                return Problem(pointer_to(into), f"expected none, as the request has {{{name}}}")
            case True, False, _, False:
                unless = f", unless the request has {{{name}}}" if self.at else " and has no default"
                return Problem(pointer_to(into), f"is missing{unless}")
            case True, False, True, True:
                return Problem(pointer_to(into), f"expected {{{name}}} in the request instead, as that has {{{SIZE}}}")
            case _:
                return None


def walks_in(document: Mapping[str, Any]) -> list[WrittenWalk]:
    """The walks of a document: its poll's, its invocation's results', or those from its URL."""
    found = []
    if "url" in document:
        found.append(_walk((), {"pages": document.get("pages")}, "auto"))
    if isinstance(poll := document.get("poll"), dict):
        found.append(_walk(("poll",), poll, "auto"))
    invoke = document.get("invoke")
    if isinstance(invoke, dict) and isinstance(results := invoke.get("results"), dict):
        found.append(_walk(("invoke", "results"), results, "none"))
    return found


def _walk(at: Place, written: Mapping[str, Any], otherwise: str) -> WrittenWalk:
    given = BY_STYLE.in_full(otherwise if written.get("pages") is None else written["pages"])
    pages: Mapping[str, Any] = given if isinstance(given, dict) else {}
    style = str(pages.get("style"))
    names = page_names(style, sized=style != "cursor" or pages.get("size") is not None)
    return WrittenWalk(
        at=at,
        style=style,
        names=(*(names if style in _STYLES else OF_PAGES), *_named_by(pages.get("over"))),
        used=frozenset(name for _, name in placeholders_in(written.get("request")) if name in OF_PAGES),
        into=pages.get("into"),
    )


def _named_by(over: Any) -> Iterator[str]:
    """What pages over another source's records would be called by: `over` is refused, and not its name as well."""
    if isinstance(over, dict) and isinstance(over.get("as"), str):
        yield over["as"]
