"""Asynchronous vendor jobs: submit, wait for a callback or ask for the status, fetch the results."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from shared.specification.request import NoPages, Pages, Records, Request
from shared.specification.values import AnswerExpression, Duration, Strict

CALLBACK_URL, TASK_ID, VENDOR_JOB = "callback.url", "task.id", "vendor_job"
IN_SUBMIT, AFTER_IT = (CALLBACK_URL, TASK_ID), (VENDOR_JOB,)
"""The placeholders that whoever makes the calls of an invocation fills, by where they may stand."""


def _check_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("expected at least 1s")
    return value


class StatusCall(Strict):
    """The second source of truth: asked `after` the submit, then `every` so often, until the outcome is known.

    The outcome is read by the vendor's `callbacks.outcome` unless `done` or `failed` is given here.
    """

    request: Request
    after: Duration = timedelta(minutes=1)
    every: Duration = timedelta(minutes=1)
    done: AnswerExpression | None = None
    failed: AnswerExpression | None = None

    _check_every = field_validator("every")(_check_second)


class Results(Strict):
    """The calls that bring the results, once the vendor says that they are there; drawn from the same budget."""

    request: Request
    pages: Pages = NoPages(style="none")

    @field_validator("pages")
    @classmethod
    def _check_pages(cls, value: Pages) -> Pages:
        if value.style == "auto":
            raise ValueError("expected a style other than auto, which looks at a job's first answer only")
        return value


class Invoke(Strict):
    """One vendor job for each input. Placeholders: `{input.x}` and `{parameters.x}` everywhere, `{callback.url}` and
    `{task.id}` in the submit, `{vendor_job}` in everything after it.

    `vendor_job` finds the vendor's own id in the submit's answer. `deadline` is mandatory: no wait without an end,
    counted from the submit. `heartbeat` ends a wait in which no progress was told for so long. A submit whose outcome
    is unknown is sent again only if it has a header `Idempotency-Key` (`{task.id}` is a good one).
    """

    submit: Request
    vendor_job: AnswerExpression | None = None
    deadline: Duration
    heartbeat: Duration | None = None
    status: StatusCall | None = None
    results: Results | None = None
    abort: Request | None = None
    records: Records = Records()

    _check_deadline = field_validator("deadline")(_check_second)


Input = Annotated[tuple[dict[str, str | int | float | bool], ...], Field(min_length=1, max_length=10_000)]
"""One vendor job is submitted for each of these."""
