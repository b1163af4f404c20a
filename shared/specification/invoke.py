"""Asynchronous vendor jobs: submit, wait for a callback or ask for the status, fetch the results."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from shared.specification.request import NoPages, Pages, Records, Request
from shared.specification.scalars import InputValue
from shared.specification.values import AnswerExpression, AtMost, Duration, Strict

CALLBACK_URL, TASK_ID, VENDOR_JOB = "callback.url", "task.id", "vendor_job"
IN_SUBMIT, AFTER_IT = (CALLBACK_URL, TASK_ID), (VENDOR_JOB,)
"""The placeholders that are filled when an invocation's calls are made: in the submit, and in all later calls."""


def _check_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("expected at least 1s")
    return value


class StatusCall(Strict):
    """A call that asks for the outcome, `after` the submit and then `every` so often, until the outcome is known.

    The vendor's `callbacks.outcome` judges the answer, unless `done` or `failed` is given here.
    """

    request: Request
    """The call that asks for the status."""
    after: Duration = timedelta(minutes=1)
    """The time from the submit to the first call."""
    every: Duration = timedelta(minutes=1)
    """The time between two calls, at least 1s."""
    done: AnswerExpression | None = None
    """True if the answer says that the vendor job is done."""
    failed: AnswerExpression | None = None
    """True if the answer says that the vendor job has failed."""

    _check_every = field_validator("every")(_check_second)


class Results(Strict):
    """The calls for the results. They are made once the vendor job is done, under the same contract."""

    request: Request
    """The call that every page of the results repeats."""
    pages: Pages = NoPages(style="none")
    """How the pages are linked: any style but `auto`."""

    @field_validator("pages")
    @classmethod
    def _check_pages(cls, value: Pages) -> Pages:
        if value.style == "auto":
            raise ValueError("expected a style other than auto, which looks at a job's first answer only")
        return value


class Invoke(Strict):
    """One vendor job for each input. Placeholders: `{input.x}` and `{parameters.x}` everywhere, `{callback.url}` and
    `{task.id}` in the submit, `{vendor_job}` in everything after it.

    A submit whose outcome is unknown is sent again only if it has a header `Idempotency-Key`, for which `{task.id}` is
    a good value.
    """

    submit: Request
    """The call that starts the vendor job."""
    vendor_job: AnswerExpression | None = None
    """Where the answer to the submit has the vendor's id of its job."""
    deadline: Duration
    """The time from the submit after which the task is `expired`, at least 1s."""
    heartbeat: Duration | None = None
    """The longest time without progress. Without this field a vendor job need not report any."""
    status: StatusCall | None = None
    """A call that asks for the outcome. Without this field only callbacks bring it."""
    results: Results | None = None
    """The calls for the results. Without this field none are fetched."""
    abort: Request | None = None
    """The call that ends the vendor job when its task is cancelled or expires."""
    records: Records = Records()
    """What of a page of the results is records."""

    _check_deadline = field_validator("deadline")(_check_second)


Input = Annotated[tuple[dict[str, InputValue], ...], Field(min_length=1), AtMost(10_000)]
"""One vendor job is submitted for each of these."""
