"""Whether the waits of an invocation can end, and whether what follows them can be asked for, as far as that is known
when a document arrives. Pure."""

from collections.abc import Mapping
from typing import Any

from shared.errors import Problem
from shared.specification.invoke import CALLBACK_URL, VENDOR_JOB
from shared.specification.parse import pointer_to
from shared.specification.templates import placeholders_in
from shared.specification.vendor import Callbacks

_AT = "/invoke"


def wait_mistakes(invoke: Mapping[str, Any], rules: Callbacks | None) -> list[Problem]:
    """Of an invocation as it was written, with the vendor's `rules` of callbacks; without them, what is wrong whatever
    they are."""
    return [*silence(invoke, rules), *([] if rules is None else _nameless(invoke, rules))]


def silence(invoke: Mapping[str, Any], rules: Callbacks | None) -> list[Problem]:
    """Nobody would ever say what became of the vendor's jobs, or that one is done."""
    if invoke.get("status") is not None:
        return _silence_of_status(invoke["status"], rules)
    outcome = None if rules is None else rules.outcome
    if outcome is not None and outcome.done is None and (outcome.failed or outcome.progress):
        expected = "expected done in the vendor's callbacks.outcome, or status with a done of its own"
        return [Problem(_AT, f"nothing would tell that a job is done: {expected}")]
    if any(name == CALLBACK_URL for _, name in placeholders_in(invoke.get("submit"))):
        return []
    if invoke.get("vendor_job") and (rules is None or (rules.vendor_job and rules.verify)):
        return []
    by_id = "vendor_job here, and callbacks.vendor_job and verify of the vendor"
    return [
        Problem(_AT, f"nothing would tell the outcome: expected {{callback.url}} in the submit, or status, or {by_id}")
    ]


def _silence_of_status(status: Any, rules: Callbacks | None) -> list[Problem]:
    """Its own rules count if it has any, else the vendor's."""
    if not isinstance(status, Mapping) or status.get("done") is not None:
        return []
    if status.get("failed") is not None:
        return [Problem(f"{_AT}/status", "expected done beside failed")]
    if rules is not None and rules.outcome.done is None:
        return [Problem(f"{_AT}/status", "expected done, here or in the vendor's callbacks.outcome")]
    return []


def _nameless(invoke: Mapping[str, Any], rules: Callbacks) -> list[Problem]:
    """Calls that need the vendor's id of its job, although nothing finds it."""
    if invoke.get("vendor_job") or rules.vendor_job:
        return []
    asked = {name: invoke.get(name) for name in ("status", "results", "abort")}
    expected = "expected vendor_job beside the submit, or callbacks.vendor_job of the vendor"
    return [
        Problem(f"{_AT}{pointer_to(place)}", f"nobody would find {{{VENDOR_JOB}}}: {expected}")
        for place, name in placeholders_in(asked)
        if name == VENDOR_JOB
    ]
