"""What to fetch and where it goes, named as a source or given inside a job."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shared.specification.bounds import AtMost
from shared.specification.invoke import Input, Invoke
from shared.specification.names import OrName
from shared.specification.notify import Notify
from shared.specification.request import AutoPages, Pages, Records, Request
from shared.specification.values import Duration, Name, Share, Strict, Words


class Poll(Strict):
    """Paged synchronisation: all pages of one request, until the whole set is loaded."""

    request: Request = Request()
    """The call that every page repeats."""
    pages: Pages = AutoPages(style="auto")
    """How the pages are linked."""
    records: Records = Records()
    """What of a page is records."""


EITHER = "expected exactly one of poll and invoke"

_PAGES = {"plan": {"path": True, "query": True}}
REQUESTS: Any = {
    "request": True,
    "poll": {"request": True, "pages": _PAGES},
    "invoke": {
        "submit": True,
        "status": {"request": True},
        "results": {"request": True, "pages": _PAGES},
        "abort": True,
    },
}
"""The parts of a job or source in which placeholders are filled."""


class PostgresSink(Strict):
    """Each record becomes a row, which the next record with the same key replaces."""

    type: Literal["postgres"]
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), Words("table name")] = "records"
    """The table's name in the schema `records`. It is created when it is missing."""


class TopicSink(Strict):
    """Each record becomes an event on the topic `records.<source>`, with the record's key."""

    type: Literal["topic"]


BY_TYPE = OrName("type", (PostgresSink, TopicSink))
Sink = Annotated[PostgresSink | TopicSink, Field(discriminator="type"), BY_TYPE]
"""Where records go; `postgres` and `topic` also by their names alone."""


class Payloads(Strict):
    """How long the vendor's answers are kept, to look at them or to process them again."""

    keep: Duration = timedelta(minutes=10)
    """How long payloads are kept after they were processed."""


class Output(Strict):
    """What sources and jobs share: where records go, and what failures mean."""

    sinks: Annotated[tuple[Sink, ...], Field(max_length=8), AtMost(8)] = (PostgresSink(type="postgres"),)
    """Where records go. With an empty list they are only counted."""
    payloads: Payloads = Payloads()
    """How long the vendor's answers are kept."""
    tolerate: Share = 0.0
    """The share of tasks that may fail before the job itself is `failed`. Up to it the job is
    `completed_with_failures`."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Which jobs of a vendor come first. Jobs of the same priority take turns."""
    notify: Notify = ()
    """Who hears when the job is over."""


class Source(Output):
    """A named, saved job: paged synchronisation (`poll`) or asynchronous vendor jobs (`invoke`)."""

    source: Name
    """The source's name."""
    vendor: Name
    """The name of the vendor that is called."""
    poll: Poll | None = None
    """Paged synchronisation. A source has either this field or `invoke`."""
    invoke: Invoke | None = None
    """Asynchronous vendor jobs. A source has either this field or `poll`."""
    input: Input | None = None
    """The inputs of vendor jobs: one vendor job for each. A job may bring its own."""

    @field_validator("input")
    @classmethod
    def _check_input(cls, value: Input | None, info: ValidationInfo) -> Input | None:
        if value is not None and info.data.get("invoke", value) is None:
            raise ValueError("belongs to invoke")
        return value

    @model_validator(mode="after")
    def _check(self) -> "Source":
        if (self.poll is None) == (self.invoke is None):
            raise ValueError(EITHER)
        return self
