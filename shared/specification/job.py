"""A job: one run. Of a source by name, of a poll or an invocation given inline, of one request, of an outgoing
webhook, or of a bare URL."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter, model_validator

from shared.specification.addresses import is_private
from shared.specification.invoke import Input, Invoke
from shared.specification.notify import NOT_PUBLIC, Notify
from shared.specification.request import HeaderName, Pages, Path, Records, Request
from shared.specification.scalars import MOST_QUERY_VALUES, Scalar
from shared.specification.source import Output, Poll
from shared.specification.values import AtMost, JobId, Name, SecretReference, Strict, mistake_of
from shared.specification.vendor import Retry, Url

Parameters = Annotated[dict[str, Scalar], AtMost(100)]


class SentJob(Strict):
    """What the sender of any job may call it."""

    id: JobId | None = None
    """The job's id, which its sender may choose. The same id twice is the same job."""
    correlation_id: UUID | None = None
    """An id of the sender's own, which several jobs may have. The job, its tasks, records and log lines carry it."""


class SourceJob(SentJob):
    """Runs a source."""

    source: Name
    """The name of the source."""
    parameters: Parameters = {}
    """Values for the source's placeholders `{parameters.NAME}`."""
    input: Input | None = None
    """The inputs of vendor jobs, instead of the source's own."""
    notify: Notify = ()
    """Who hears when the job is over, instead of those that the source names."""


class PollJob(SentJob, Output):
    """Paged synchronisation of a vendor, without a source."""

    vendor: Name
    """The name of the vendor that is called."""
    poll: Poll
    """The paged synchronisation."""
    parameters: Parameters = {}
    """Values for placeholders `{parameters.NAME}`."""


class InvokeJob(SentJob, Output):
    """Asynchronous vendor jobs, without a source."""

    vendor: Name
    """The name of the vendor that is called."""
    invoke: Invoke
    """What is done for each input."""
    input: Input
    """The inputs of vendor jobs: one vendor job for each."""
    parameters: Parameters = {}
    """Values for placeholders `{parameters.NAME}`."""


class Answer(Strict):
    """What of the vendor's answer is returned beside its status and body."""

    headers: Annotated[tuple[HeaderName, ...], Field(max_length=20)] = ()
    """The names of the headers that are handed back."""


class RequestJob(SentJob):
    """One call, whose answer is returned, even if every attempt failed."""

    vendor: Name
    """The name of the vendor that is called."""
    request: Request
    """The call."""
    answer: Answer = Answer()
    """What of the answer is handed back beside its status and body."""
    retry: Retry | None = None
    """How often and how long the call is tried, instead of the vendor's `retry`."""
    parameters: Parameters = {}
    """Values for placeholders `{parameters.NAME}`."""
    priority: Literal["high", "normal", "low"] = "high"
    """Which jobs of a vendor come first. Jobs of the same priority take turns."""
    notify: Notify = ()
    """Who hears when the job is over."""


class DeliverJob(SentJob):
    """One outgoing webhook (Standard Webhooks 1.0)."""

    deliver: Url
    """The URL that the webhook is sent to."""
    event: dict[str, Any]
    """The webhook's body."""
    secret: SecretReference | None = None
    """Where the secret is found that signs the webhook: base64, with or without `whsec_`. Without this field the
    webhook is not signed."""
    vendor: Name | None = None
    """The vendor whose contract and network rules hold. Without this field the URL's host gets a careful budget, and
    must be public."""
    retry: Retry | None = None
    """How often and how long it is tried. Without this field: the vendor's `retry`, or ten attempts within a day."""

    @model_validator(mode="after")
    def _check(self) -> "DeliverJob":
        if self.vendor is None and is_private(self.deliver):
            raise mistake_of("deliver", NOT_PUBLIC)
        return self


_PATH: TypeAdapter[str] = TypeAdapter(Path)


def _check_place(value: str) -> str:
    """A URL becomes a vendor and a request, so its path and query keep the rules of a request's. Nobody has
    allowed that vendor a private address."""
    if is_private(value):
        raise ValueError(NOT_PUBLIC)
    parts = urlsplit(value)
    _PATH.validate_python(parts.path or "/")
    if parts.query.count("&") >= MOST_QUERY_VALUES:
        raise ValueError(f"expected at most {MOST_QUERY_VALUES} values in the query")
    return value


class UrlJob(SentJob, Output):
    """Paged synchronisation of a URL, without a vendor: its host gets a careful budget of five requests a second."""

    url: Annotated[Url, AfterValidator(_check_place)]
    """The URL of the first page."""
    pages: Pages | None = None
    """How the pages are linked. Without this field it is detected."""
    records: Records = Records()
    """What of a page is records."""


KINDS = ("url", "source", "poll", "invoke", "request", "deliver")


def kind_of(value: Any) -> str | None:
    """Of a document or a model, the field that says what kind of job it is."""
    names = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else {}
    return next((name for name in KINDS if name in names), None)


JobSpecification = Annotated[
    Annotated[SourceJob, Tag("source")]
    | Annotated[PollJob, Tag("poll")]
    | Annotated[InvokeJob, Tag("invoke")]
    | Annotated[RequestJob, Tag("request")]
    | Annotated[DeliverJob, Tag("deliver")]
    | Annotated[UrlJob, Tag("url")],
    Discriminator(
        kind_of,
        custom_error_type="job_kind",
        custom_error_message="expected one of: url; source; vendor with poll, invoke or request; deliver",
    ),
]
"""What `POST /jobs` and the topic `jobs.requested` take."""
