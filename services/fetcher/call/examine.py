"""What an answer says, found in one go: its body is read once, and its content is gone afterwards. Pure."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from services.fetcher.call.decide import Answer, Empty, Succeeded, Try, Verdict, verdict
from services.fetcher.call.facts import AnswerOrigin, read_facts
from services.fetcher.call.request import without_credentials
from services.fetcher.call.vendor_jobs import PURPOSES, Heard, read_heard
from shared.events.tasks import Facts, FetchRequested
from shared.specification.bodies import BodyUnreadable, read_json, seems_whole
from shared.specification.vendor import Vendor


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an answer. `chance` is a random number from 0 to 1, for the jitter of the backoff."""

    request: FetchRequested
    vendor: Vendor
    this: Try
    now: datetime
    chance: float


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdict on an answer. Of a good one also what it says of the vendor's job, or of its page: why the page
    cannot be used, or its facts, where they are wanted."""

    verdict: Verdict
    heard: Heard | None = None
    problem: BodyUnreadable | None = None
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a body is read: `first`, before the answer is judged, or only after a success; a large one whole, or
    `in_parts` on its way to the payload store."""

    first: bool
    in_parts: bool


def reading(request: FetchRequested, vendor: Vendor, *, repeatable: bool) -> Reading:
    """The body is read first where it says what the answer means, or where any answer is handed back. It passes in
    parts where nothing is looked for in it, and the call may be made again if a part cannot be stored."""
    decides = request.purpose in PURPOSES or any("body" in rule.when for rule in vendor.outcomes)
    return Reading(
        first=decides or request.answer is not None,
        in_parts=repeatable and not decides and request.facts is None,
    )


class Content:
    """The content of a body, which is read when it is first needed."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    @cached_property
    def _read(self) -> tuple[Any, BodyUnreadable | None]:
        try:
            return read_json(self._body), None
        except BodyUnreadable as error:
            return None, error

    def value(self) -> Any:
        """As expressions see it: null where the body cannot be read."""
        return self._read[0]

    @property
    def problem(self) -> BodyUnreadable | None:
        """Why the body cannot be read."""
        return self._read[1]


def examine(question: Question, origin: AnswerOrigin, body: bytes | None) -> Findings:
    """Judge an answer and find what was asked of it; without its `body`, only judge it by its status and headers."""
    request, content = question.request, Content(body or b"")
    answer = Answer(origin.status, origin.headers, content.value)
    decided = verdict(answer, question.vendor, question.this, question.now, question.chance)
    if body is None or not isinstance(decided, (Succeeded, Empty)):
        return Findings(decided)
    if request.purpose in PURPOSES:
        return Findings(decided, read_heard(request, origin.status, origin.headers, content.value()))
    if request.purpose not in ("page", "metadata") or isinstance(decided, Empty):
        return Findings(decided)
    if request.facts is None:
        return Findings(decided, problem=None if seems_whole(body) else content.problem)
    if content.problem is not None:
        return Findings(decided, problem=content.problem)
    return Findings(decided, facts=_facts(question, origin, body, content.value()))


def _facts(question: Question, origin: AnswerOrigin, body: bytes, content: Any) -> Facts:
    """What is reported of the next page is kept in tables and topics: the vendor's key is no part of it."""
    assert question.request.facts is not None
    url = without_credentials(origin.url, question.vendor)
    facts = read_facts(question.request.facts, AnswerOrigin(origin.status, origin.headers, url), body, content)
    following = None if facts.next is None else without_credentials(facts.next, question.vendor)
    return facts if following is None else facts.model_copy(update={"next": following})
