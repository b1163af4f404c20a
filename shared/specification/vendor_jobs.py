"""What a vendor's answers and callbacks say of its jobs: one rule for the fetcher and the gateway. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.specification.expressions import found_by
from shared.specification.vendor import JobOutcome

Reported = Literal["done", "failed", "progress"]
"""What a vendor says of one of its jobs, in a callback or when asked for the status."""

LONGEST_ID = 255


def reported_by(outcome: JobOutcome, document: Mapping[str, Any]) -> Reported | None:
    """What a vendor says: the first expression that holds, or nothing. Without any, all that it says means done."""
    rules: tuple[tuple[Reported, str | None], ...] = (
        ("done", outcome.done),
        ("failed", outcome.failed),
        ("progress", outcome.progress),
    )
    if not any(expression for _, expression in rules):
        return "done"
    for reported, expression in rules:
        if expression is not None and found_by(expression, document):
            return reported
    return None


def vendor_job_of(expression: str | None, document: Mapping[str, Any]) -> str | None:
    """The id that a vendor gave its job: a text or whole number of at most `LONGEST_ID` characters."""
    found = None if expression is None else found_by(expression, document)
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return None
    text = str(found)
    return text if 0 < len(text) <= LONGEST_ID and text.isprintable() else None
