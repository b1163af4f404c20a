"""What an answer says about pages. Pure; whatever is wrong with an answer becomes a fact, never an exception."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from services.fetcher.call.detect import detect
from shared.events.tasks import Facts, FactsWanted
from shared.specification.bodies import BodyUnreadable, count_records, find_records, read_json

_LONGEST_NEXT = 4096
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[A-Za-z0-9*-]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_REL_NEXT = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


def read_facts(wanted: FactsWanted, headers: Mapping[str, str], body: bytes, url: str) -> Facts:
    """Read what the planner wants to know. `url` is where the answer came from; relative links start there."""
    digest = hashlib.sha256(body).hexdigest()
    try:
        content = read_json(body)
    except BodyUnreadable as error:
        return Facts(problem=str(error), digest=digest)
    document = {"body": content, "headers": dict(headers)}
    items = count_records(content, wanted.select)
    told: dict[str, Any] = {"items": items, "digest": digest}
    problems: list[str] = []
    for name in ("total", "pages", "size"):
        expression = getattr(wanted, name)
        if expression is not None:
            told[name], problem = _whole(_search(expression, document), expression)
            problems += problem
    if items is None:
        problems.append("no list of records is where it was expected")
    told["next"] = _following(wanted, document, headers, url)
    if wanted.detect:
        told |= detect(content, told["next"] or link_next(headers, url), items or 0, url)
    return Facts(**told, problem="; ".join(problems))


def _following(wanted: FactsWanted, document: dict[str, Any], headers: Mapping[str, str], url: str) -> str | None:
    if wanted.link:
        return link_next(headers, url)
    if wanted.next is not None:
        found = _text(_search(wanted.next, document))
        return urljoin(url, found) if found and _is_link(found) else found
    if wanted.last is not None:
        return _last_key(wanted, document)
    return None


def _last_key(wanted: FactsWanted, document: dict[str, Any]) -> str | None:
    records = find_records(document["body"], wanted.select)
    return _text(_search(wanted.last or "", records[-1])) if records else None


def link_next(headers: Mapping[str, str], url: str) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288), made absolute."""
    for target, parameters in _LINK.findall(headers.get("link", "")[:16_384]):
        relation = _REL_NEXT.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            found = urljoin(url, target)
            return found if len(found) <= _LONGEST_NEXT else None
    return None


def _is_link(text: str) -> bool:
    return text.startswith(("http://", "https://", "/", "?"))


def _search(expression: str, document: Any) -> Any:
    try:
        return jmespath.search(expression, document)
    except JMESPathError:
        return None


def _whole(value: Any, expression: str) -> tuple[int | None, list[str]]:
    """A whole number that is not negative; digits in a text count, too."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value, []
    found = "nothing" if value is None else type(value).__name__
    return None, [f"{expression}: expected a whole number, found {found}"]


def _text(value: Any) -> str | None:
    """A cursor or URL as text. Null, empty and false mean that there is no next page."""
    if value is None or value is False or value == "":
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST_NEXT else None
