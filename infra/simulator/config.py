"""What a simulated vendor is like: every setting, with its unit, its default and its special values.

All models are frozen and refuse unknown fields. Shares are between 0 and 1; at most one fault befalls a
request, so the shares of one vendor may add up to 1 at most.
"""

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.simulator.receiver import ReceiverConfig
from infra.simulator.records import Shape
from infra.simulator.reports.config import ReportsConfig
from infra.simulator.settings import Seconds, Settings, Share, Status

RetryAfterForm = Literal["seconds", "date", "garbage", "very_long", "none"]
"""How a 429 tells when to come back. `garbage` is text that is no time, `very_long` a day, `none` no header."""


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]

RESERVED = frozenset({"receive"})
"""What opens other paths than vendors'."""


def _compilable(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern


class Fault(StrEnum):
    """What can befall a request; the shares in VendorConfig say what each looks like."""

    RATE_LIMIT = "rate_limit"
    ERROR = "error"
    HANG = "hang"
    TRUNCATE = "truncate"
    MALFORMED = "malformed"
    HTML = "html"
    EMPTY = "empty"
    DRIP = "drip"


class ResetField(Settings):
    """A header of the vendor's own that tells when its window is free again."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    """Its name."""
    form: Literal["seconds", "milliseconds", "epoch", "epoch_milliseconds", "date", "rfc3339"] = "seconds"
    """Seconds or milliseconds from now, the same since 1970, an HTTP date, or an RFC 3339 time."""
    on: Literal["refusals", "all"] = "refusals"
    """Which answers carry it."""


class Contract(Settings):
    """One window of a rate limit, enforced exactly.

    A request that arrives at time t is admitted if fewer than `requests + burst - 1` admitted requests arrived in
    the half-open window (t - per_seconds, t]. This is the most that a client spaced at per_seconds / requests
    with `burst` calls in hand can ever put into such a window, so a client that keeps the contract is never
    refused, and one that starts with a full burst and then a whole window's worth more is.
    """

    requests: int = Field(ge=1)
    """Requests per window."""
    per_seconds: float = Field(gt=0, le=31 * 86_400)
    """Length of the window, seconds."""
    burst: int = Field(default=1, ge=1)
    """Requests that may come at once; 1 means none beyond the steady rate."""
    scope: Literal["vendor", "address", "token"] = "vendor"
    """Who shares the window: all clients, those of one address, or those with one Authorization header. An address is
    the connection's other end: a proxy's where there is one, and X-Forwarded-For changes nothing."""
    count_refused: bool = False
    """Whether refused requests use the window, too, as with the strictest vendors."""
    retry_after: RetryAfterForm = "seconds"
    """What the refusal says about coming back; seconds are rounded up."""
    headers: Literal["none", "x-ratelimit", "ratelimit", "ratelimit-structured"] = "none"
    """Quota headers on every answer: X-RateLimit-* (reset as epoch seconds), RateLimit-* (reset as seconds from now),
    or the structured RateLimit and RateLimit-Policy fields."""
    reset_field: ResetField | None = None
    """A field of the vendor's own beside them; null: none."""

    @property
    def most(self) -> int:
        """The most requests that any window admits."""
        return self.requests + self.burst - 1


class FailPath(Settings):
    """Targets that fail on purpose, until they are healed."""

    match: Annotated[str, AfterValidator(_compilable)]
    """Regular expression, searched in the target below the vendor, such as `/items?offset=300&limit=100`."""
    fault: Fault = Fault.ERROR
    """What befalls them."""
    status: Annotated[int, Field(ge=200, le=599)] = 500
    """The status, if the fault is `error`; some vendors answer errors with 200."""
    times: int | None = Field(default=None, ge=1)
    """How many requests of each matching target fail before it recovers; null: for ever."""


class Misbehaviour(Settings):
    """Ways in which a vendor breaks its own paging, to see that a client ends nonetheless."""

    total: Literal["honest", "missing", "shrinks", "grows", "wrong_type", "too_low"] = "honest"
    """`shrinks` and `grows`: by a page at each listing request, data and number alike; `wrong_type`: a word; `too_low`:
    a tenth, of pages, too."""
    pages: Literal["honest", "short", "repeat", "overlap", "filled"] = "honest"
    """`short`: half of what was asked, at least one (who goes on after what it got still sees all; page numbers skip
    the rest); `repeat`: always the first page; `overlap`: each page begins a tenth of a page too early; `filled`: the
    last page, and what is asked for behind it, begins as early as it takes to be full."""
    cursor: Literal["honest", "loops", "never_ends", "not_moving"] = "honest"
    """For cursors, next links and Link headers. `loops`: back to the start after the third page or the last;
    `never_ends`: on and on behind the last record; `not_moving`: the same page as next."""
    body: Literal["honest", "html", "array", "scalar", "utf-16", "latin-1", "bomb", "crowd", "endless", "redirect"] = (
        "honest"
    )
    """What stands where a listing's JSON object should be, with status 200. `utf-16` and `latin-1`: the page in another
    charset; `bomb`: 50 MiB of blanks, compressed to 50 kB; `crowd`: 300,000 empty objects, compressed to 1 kB;
    `endless`: blanks until the client hangs up; `redirect`: 302 to the same place."""


class VendorConfig(Settings):
    """One vendor: its data, its contract, its manners and its faults."""

    records: int = Field(default=20_000, ge=0, le=1_000_000_000)
    """How many records it has; ids run from 1 to this number."""
    shape: Shape = "flat"
    """What a record looks like."""
    page_size_max: int = Field(default=100, ge=1, le=100_000)
    """Largest and default page; larger wishes are cut to it silently."""
    seed: int | None = None
    """Decides data and faults; null: the simulator's seed."""
    contract: Contract | tuple[Contract, ...] | None = None
    """One rate window or several that hold together; null: no limit."""
    in_flight_max: int | None = Field(default=None, ge=1)
    """Requests that may be unanswered at once; beyond: 429. null: any number."""
    require_token: str | None = None
    """The bearer token to show; 401 otherwise, before the contract is looked at. null: open to all."""
    etag: bool = False
    """Whether `/items` and what is below it carries an ETag and honours If-None-Match."""
    delay_seconds: tuple[Seconds, Seconds] = (0.0, 0.0)
    """Least and most time before an answer starts, drawn evenly."""

    error_share: Share = 0.0
    """Answered with `error_status`."""
    error_status: tuple[Status, ...] = Field(default=(500, 502, 503, 504), min_length=1)
    """What random errors are drawn from."""
    rate_limit_share: Share = 0.0
    """Refused as too many, whatever the contract says."""
    rate_limit_status: Literal[429, 503] = 429
    """Status of those refusals."""
    rate_limit_retry_after: RetryAfterForm = "seconds"
    """What those refusals say about coming back."""
    rate_limit_seconds: int = Field(default=1, ge=0)
    """How long those refusals ask for, seconds, in the forms `seconds` and `date`."""
    hang_share: Share = 0.0
    """Not answered at all; the connection closes after `hang_seconds`."""
    hang_seconds: Seconds = 30.0
    """How long a hanging request is held."""
    truncate_share: Share = 0.0
    """Half of the body, then the connection closes although Content-Length promised more."""
    malformed_share: Share = 0.0
    """Half of the JSON as if it were all."""
    html_share: Share = 0.0
    """Status 200 with an HTML page."""
    empty_share: Share = 0.0
    """Status 200 without a body."""
    drip_share: Share = 0.0
    """The right answer at `drip_bytes_per_second`."""
    drip_bytes_per_second: int = Field(default=1_000, ge=1)
    """Speed of a dripping answer."""

    fail_paths: tuple[FailPath, ...] = ()
    """Targets that fail on purpose; the first match counts."""
    misbehaviour: Misbehaviour = Misbehaviour()
    """How it breaks its own paging."""
    reports: ReportsConfig = ReportsConfig()
    """Its asynchronous jobs."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if sum(share for _, share in self.shares) > 1 + 1e-9:
            raise ValueError("the fault shares add up to more than 1")
        if self.delay_seconds[0] > self.delay_seconds[1]:
            raise ValueError("delay_seconds must be [least, most]")
        return self

    @property
    def shares(self) -> tuple[tuple[Fault, float], ...]:
        """Each random fault with its share."""
        return (
            (Fault.RATE_LIMIT, self.rate_limit_share),
            (Fault.ERROR, self.error_share),
            (Fault.HANG, self.hang_share),
            (Fault.TRUNCATE, self.truncate_share),
            (Fault.MALFORMED, self.malformed_share),
            (Fault.HTML, self.html_share),
            (Fault.EMPTY, self.empty_share),
            (Fault.DRIP, self.drip_share),
        )

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """The rate windows as a tuple, however they were written."""
        if self.contract is None:
            return ()
        return (self.contract,) if isinstance(self.contract, Contract) else self.contract


class SimulatorConfig(Settings):
    """All vendors of one process."""

    seed: int = 7
    """Seed of the vendors that name none."""
    vendors: dict[Name, VendorConfig] = Field(default_factory=lambda: {"acme": VendorConfig()})
    """Vendors by the name that opens their paths; one plain `acme` by default."""
    receivers: dict[Name, ReceiverConfig] = {}
    """Receivers of outgoing webhooks by the name behind `/receive/`."""

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        if RESERVED & set(self.vendors):
            raise ValueError(f"no vendor can be called {', '.join(sorted(RESERVED))}")
        return self
