"""What to fetch and where it goes, named as a source or given inside a job."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from shared.specification.invoke import AFTER_IT, IN_SUBMIT, Input, Invoke
from shared.specification.notify import Notify
from shared.specification.request import AutoPages, Pages, Records, Request, placeholders_in
from shared.specification.values import Duration, Name, Share, Strict


class Poll(Strict):
    """Paged synchronisation: walk all pages of one request until the whole set is loaded."""

    request: Request = Request()
    pages: Pages = AutoPages(style="auto")
    records: Records = Records()


_PAGES = {"plan": {"path", "query"}}
REQUESTS: Any = {
    "request": True,
    "poll": {"request": True, "pages": _PAGES},
    "invoke": {
        "submit": True,
        "status": {"request"},
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


Sink = Annotated[PostgresSink | TopicSink, Field(discriminator="type")]


class Payloads(Strict):
    """How long raw payloads are kept after processing, for whoever wants to look or to process them again."""

    keep: Duration = timedelta(minutes=10)


class Delivery(Strict):
    """What a job does with its records and failures, common to sources and jobs."""

    sinks: Annotated[tuple[Sink, ...], Field(max_length=8)] = (PostgresSink(type="postgres"),)
    payloads: Payloads = Payloads()
    tolerate: Share = 0.0
    priority: Literal["high", "normal", "low"] = "normal"
    notify: Notify = ()


class Source(Delivery):
    """A named, saved job specification: paged synchronisation (`poll`) or asynchronous vendor jobs (`invoke`)."""

    source: Name
    vendor: Name
    poll: Poll | None = None
    invoke: Invoke | None = None
    input: Input | None = None

    @model_validator(mode="after")
    def _check(self) -> "Source":
        if (self.poll is None) == (self.invoke is None):
            raise ValueError("expected exactly one of poll and invoke")
        if self.input is not None and self.invoke is None:
            raise ValueError("input: belongs to invoke")
        later = (*IN_SUBMIT, *AFTER_IT)
        for _, name in placeholders_in(self.model_dump(include=REQUESTS)):
            if self.poll is not None and not name.startswith("parameters."):
                raise ValueError(
                    f"poll: unknown placeholder {{{name}}}; a source's are parameters, {{parameters.NAME}}"
                )
            if not name.startswith(("parameters.", "input.")) and name not in later:
                known = ", ".join(f"{{{one}}}" for one in ("parameters.NAME", "input.NAME", *later))
                raise ValueError(f"invoke: unknown placeholder {{{name}}}; expected one of {known}")
        return self
