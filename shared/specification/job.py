"""A job: one run, of a source by name, of a poll given inline, or of a bare URL."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Discriminator, Field, Tag

from shared.specification.source import Delivery, Pages, Poll, Records
from shared.specification.values import Name, Scalar, Strict
from shared.specification.vendor import Url

UNION_TAG = "job:"
"""Marks the steps of an error's place that are no field of the document."""

Parameters = Annotated[dict[str, Scalar], Field(max_length=100)]


class SourceJob(Strict):
    """Run a saved source, with parameters for its placeholders."""

    id: UUID | None = None
    source: Name
    parameters: Parameters = {}


class PollJob(Delivery):
    """A poll of a known vendor, given inline."""

    id: UUID | None = None
    vendor: Name
    poll: Poll
    parameters: Parameters = {}


class UrlJob(Delivery):
    """A bare URL: its host becomes an ad-hoc vendor with a careful budget, its paging is detected."""

    id: UUID | None = None
    url: Url
    pages: Pages | None = None
    records: Records = Records()


def _kind(value: Any) -> str | None:
    names = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else {}
    for name in ("url", "source", "poll"):
        if name in names:
            return f"{UNION_TAG}{name}"
    return None


JobSpecification = Annotated[
    Annotated[SourceJob, Tag("job:source")] | Annotated[PollJob, Tag("job:poll")] | Annotated[UrlJob, Tag("job:url")],
    Discriminator(
        _kind,
        custom_error_type="job_kind",
        custom_error_message="expected one of: url; source; vendor with poll",
    ),
]
"""What `POST /jobs` and the topic `jobs.requested` take."""
