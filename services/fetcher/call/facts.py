"""What an answer says about pages. Pure; whatever is wrong with an answer becomes a fact, never an exception."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from pydantic_core import to_json

from services.fetcher.call.detect import detect
from services.fetcher.call.whole_number import whole_number
from shared.events.tasks import Facts, FactsWanted
from shared.specification.bodies import BodyUnreadable, find_items, find_records, is_lone, says_nothing
from shared.specification.expressions import found_by, found_in

_LONGEST_NEXT = 4096
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[A-Za-z0-9*-]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_PARAMETER = re.compile(r';\s*([A-Za-z0-9*-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;,"]*)))?')


@dataclass(frozen=True, slots=True)
class AnswerOrigin:
    """Where an answer came from; relative links start at `url`."""

    status: int
    headers: Mapping[str, str]
    url: str


def read_facts(wanted: FactsWanted, origin: AnswerOrigin, body: bytes, content: Any) -> Facts:
    """Find what the planner wants to know, in the `content` of a body."""
    digest = hashlib.sha256(body).hexdigest()
    try:
        found = find_items(content, wanted.select)
    except BodyUnreadable as error:
        return Facts(problem=str(error), digest=digest)
    document = {"body": content, "headers": dict(origin.headers), "status": origin.status}
    lone = is_lone(content, wanted.select, found)
    has_list = found is not None and not lone
    if lone and wanted.expects_list:
        found = [] if says_nothing(content) else None
    items = None if found is None else len(found)
    facts, problems = _counts(wanted, document)
    facts |= {"items": items, "has_list": has_list, "digest": digest}
    if items is None:
        problems.append("no list of records is where it was expected")
    try:
        facts |= _following(wanted, document, origin)
        if wanted.detect:
            facts |= detect(content, link_next(origin.headers, origin.url), items or 0, origin.url)
    except BodyUnreadable as error:
        problems.append(str(error))
    except ValueError:
        problems.append("the link to the next page cannot be read")
    if len(facts.get("next") or "") > _LONGEST_NEXT:
        facts["next"] = None
        problems.append(f"the link or cursor to the next page is longer than {_LONGEST_NEXT} characters")
    return Facts(**facts, problem="; ".join(problems))


def _counts(wanted: FactsWanted, document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What the vendor counts, and what is wrong with it."""
    counts: dict[str, Any] = {}
    problems: list[str] = []
    for name in ("total", "pages", "size"):
        expression = getattr(wanted, name)
        if expression is not None:
            counts[name], problem = _counted(found_by(expression, document), expression)
            problems += problem
    return counts, problems


def _following(wanted: FactsWanted, document: dict[str, Any], origin: AnswerOrigin) -> dict[str, Any]:
    """What leads to the next page. `ValueError` if it should be a link and is none."""
    if wanted.next is not None:
        found = found_by(wanted.next, document)
        text = _text(found)
        return _cursor(found) if text is None or not wanted.link else {"next": urljoin(origin.url, text)}
    if wanted.link:
        return {"next": link_next(origin.headers, origin.url)}
    if wanted.last is not None:
        return _cursor(_last_key(wanted, document))
    return {}


def _cursor(found: Any) -> dict[str, Any]:
    number = whole_number(found) if isinstance(found, float) else None
    found = found if number is None else number
    return {"next": _text(found), "next_is_whole": isinstance(found, int) and not isinstance(found, bool)}


def _last_key(wanted: FactsWanted, document: dict[str, Any]) -> Any:
    """Of the last item on the page, also where it is not among the records; or of the last record, if that has names
    of its own."""
    for found in (find_items(document["body"], wanted.select), find_records(document["body"], wanted.select)):
        key = found_in(wanted.last or "", found[-1]) if found else None
        if _text(key) is not None:
            return key
    return None


def link_next(headers: Mapping[str, str], url: str) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288), made absolute."""
    for target, parameters in _LINK.findall(headers.get("link", "")[:16_384]):
        relations = [quoted or bare for name, quoted, bare in _PARAMETER.findall(parameters) if name.lower() == "rel"]
        if relations and "next" in relations[0].lower().split():
            return str(urljoin(url, target))
    return None


def _counted(value: Any, expression: str) -> tuple[int | None, list[str]]:
    number = whole_number(value)
    if number is not None:
        return number, []
    found = "nothing" if value is None else type(value).__name__
    return None, [f"{expression}: expected a whole number, found {found}"]


def _text(value: Any) -> str | None:
    """A cursor or URL as text. Null, false and what is empty mean that there is no next page: PHP writes an empty list
    for nothing. The number 0 is a cursor."""
    if value is None or value is False or value in ("", [], {}):
        return None
    return value if isinstance(value, str) else to_json(value).decode()
