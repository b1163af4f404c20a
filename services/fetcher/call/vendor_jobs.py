"""Submits of vendor jobs and questions about them: the callback URL that goes out, and what the answers mean. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from shared.events.tasks import OUTCOME_UNKNOWN, Call, FetchRequested, Purpose
from shared.specification.invoke import CALLBACK_URL, TASK_ID
from shared.specification.templates import PLACEHOLDER
from shared.specification.vendor_jobs import Reported, reported_by, vendor_job_of
from shared.tokens import Claim, make_token

PURPOSES: frozenset[Purpose] = frozenset({"submit", "status", "abort"})
"""What concerns a vendor's job. The task waits all the while; none of these answers is a page."""


_BY_RULE = "outcome_rule"
_KNOWN_FAILURES = ("ssrf_blocked", _BY_RULE)
"""Reasons that leave no doubt, whatever had left before."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an answer says of a vendor's job. `reason` says why it says nothing."""

    vendor_job: str | None = None
    reported: Reported | None = None
    reason: str = ""


def read_heard(request: FetchRequested, status: int, headers: Mapping[str, str], body: Any) -> Heard:
    """Read the answer to a submit, or to a question about the status."""
    document = {"status": status, "headers": dict(headers), "body": body}
    if request.submit is not None:
        found = vendor_job_of(request.submit.vendor_job, document)
        missing = request.submit.vendor_job is not None and found is None
        return Heard(
            vendor_job=found, reason="vendor_job_missing: the submit's answer has no such id" if missing else ""
        )
    return Heard(reported=None if request.status is None else reported_by(request.status, document))


def is_unknown(reason: str, *, sent: bool) -> bool:
    """Whether a submit that was given up may have reached the vendor all the same: then it is waited for."""
    return reason.startswith(OUTCOME_UNKNOWN) or (sent and not reason.startswith(_KNOWN_FAILURES))


def is_failure_by_rule(reason: str) -> bool:
    """Whether a call was given up because a rule of the vendor calls its answer a failure."""
    return reason.startswith(_BY_RULE)


def call_of(request: FetchRequested, gateway_url: str, key: Callable[[], bytes], now: datetime) -> Call:
    """The call with what belongs to its round filled in: the callback URL, and the task's id, by which the vendor knows
    it when it comes again. `key` is asked for only where there is a callback URL."""
    if request.submit is None or not request.submit.template:
        return request.call
    values = {"{{": "{", "}}": "}", TASK_ID: _id_of(request)}
    if f"{{{CALLBACK_URL}}}" in request.call.model_dump_json():
        token = make_token(key(), Claim(request.task_id, request.round, now + request.submit.deadline))
        values[CALLBACK_URL] = f"{gateway_url.rstrip('/')}/callbacks/{request.vendor}/{token}"
    return _filled(request.call, values)


def _id_of(request: FetchRequested) -> str:
    """Another one in each round: whoever redrives a vendor's job that failed wants a new one."""
    return str(request.task_id) if request.round == 0 else f"{request.task_id}-{request.round}"


def _filled(call: Call, values: Mapping[str, str]) -> Call:
    return call.model_copy(
        update={
            "path": _text(call.path, {name: quote(value, safe="") for name, value in values.items()}),
            "query": _inside(call.query, values),
            "headers": _inside(call.headers, values),
            "body": _inside(call.body, values),
        }
    )


def _inside(template: Any, values: Mapping[str, str]) -> Any:
    match template:
        case str():
            return _text(template, values)
        case dict():
            return {name: _inside(inner, values) for name, inner in template.items()}
        case list() | tuple():
            return [_inside(inner, values) for inner in template]
        case _:
            return template


def _text(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values.get(found[1] or found[0], found[0]), template)
