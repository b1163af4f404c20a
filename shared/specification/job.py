"""A job: one run. Of a source by name, of a poll or an invocation given inline, of one request, of an outgoing
webhook, or of a bare URL."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter

from shared.specification.invoke import Input, Invoke
from shared.specification.notify import Notify
from shared.specification.request import HeaderName, Pages, Path, Records, Request
from shared.specification.source import Output, Poll
from shared.specification.values import JobId, Name, Scalar, SecretReference, Strict
from shared.specification.vendor import Retry, Url

Parameters = Annotated[dict[str, Scalar], Field(max_length=100)]


class SourceJob(Strict):
    """Run a saved source, with parameters for its placeholders; `input` and `notify` replace the source's own."""

    id: JobId | None = None
    source: Name
    parameters: Parameters = {}
    input: Input | None = None
    notify: Notify = ()


class PollJob(Output):
    """A poll of a known vendor, given inline."""

    id: JobId | None = None
    vendor: Name
    poll: Poll
    parameters: Parameters = {}


class InvokeJob(Output):
    """Asynchronous vendor jobs of a known vendor, given inline: one for each input."""

    id: JobId | None = None
    vendor: Name
    invoke: Invoke
    input: Input
    parameters: Parameters = {}


class Answer(Strict):
    """Which of the vendor's headers are handed back beside its status and body."""

    headers: Annotated[tuple[HeaderName, ...], Field(max_length=20)] = ()


class RequestJob(Strict):
    """One call, robustly made; the vendor's own answer is handed back, also when all attempts failed."""

    id: JobId | None = None
    vendor: Name
    request: Request
    answer: Answer = Answer()
    retry: Retry | None = None
    parameters: Parameters = {}
    priority: Literal["high", "normal", "low"] = "high"
    notify: Notify = ()


class DeliverJob(Strict):
    """One outgoing webhook (Standard Webhooks 1.0): `event` is sent as JSON, signed when there is a `secret`."""

    id: JobId | None = None
    deliver: Url
    event: dict[str, Any]
    secret: SecretReference | None = None
    vendor: Name | None = None
    retry: Retry | None = None


_PATH: TypeAdapter[str] = TypeAdapter(Path)


def _check_place(value: str) -> str:
    """A URL becomes a vendor and a request, so its path keeps the rules of a request's."""
    _PATH.validate_python(urlsplit(value).path or "/")
    return value


class UrlJob(Output):
    """A bare URL: its host becomes an ad-hoc vendor with a careful budget, its paging is detected."""

    id: JobId | None = None
    url: Annotated[Url, AfterValidator(_check_place)]
    pages: Pages | None = None
    records: Records = Records()


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
