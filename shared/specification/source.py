"""What to fetch and where it goes, named as a source or given inside a job."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shared.specification.invoke import Input, Invoke
from shared.specification.names import OrName
from shared.specification.notify import Notify
from shared.specification.request import AutoPages, Pages, Records, Request
from shared.specification.values import Duration, Name, Share, Strict


class Poll(Strict):
    """Paged synchronisation: walk all pages of one request until the whole set is loaded."""

    request: Request = Request()
    pages: Pages = AutoPages(style="auto")
    records: Records = Records()


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
    """Upsert by key into a table of the `records` schema."""

    type: Literal["postgres"]
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] = "records"


class TopicSink(Strict):
    """Each record as an event on `records.<source>`, keyed by the record's key."""

    type: Literal["topic"]


BY_TYPE = OrName("type", (PostgresSink, TopicSink))
Sink = Annotated[PostgresSink | TopicSink, Field(discriminator="type"), BY_TYPE]
"""Where records go; `postgres` and `topic` also by their names alone."""


class Payloads(Strict):
    """How long raw payloads are kept after processing, for whoever wants to look or to process them again."""

    keep: Duration = timedelta(minutes=10)


class Output(Strict):
    """What a job does with its records and failures, common to sources and jobs."""

    sinks: Annotated[tuple[Sink, ...], Field(max_length=8)] = (PostgresSink(type="postgres"),)
    payloads: Payloads = Payloads()
    tolerate: Share = 0.0
    priority: Literal["high", "normal", "low"] = "normal"
    notify: Notify = ()


class Source(Output):
    """A named, saved job specification: paged synchronisation (`poll`) or asynchronous vendor jobs (`invoke`)."""

    source: Name
    vendor: Name
    poll: Poll | None = None
    invoke: Invoke | None = None
    input: Input | None = None

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
