"""The vendor: somebody else's API, how it may be called and what its contract allows."""

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from shared.specification.values import (
    AnswerExpression,
    Duration,
    MessageExpression,
    Name,
    SecretReference,
    Size,
    Strict,
)
from shared.specification.verification import Verification

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\]")


def check_url(value: str) -> str:
    """Refuse what is not a plain http(s) URL: other schemes, user info, odd host spellings, control characters."""
    if len(value) > 2048:
        raise ValueError("expected a URL of at most 2048 characters")
    if not value.isascii() or not value.isprintable() or "\\" in value or " " in value:
        raise ValueError("expected a URL of printable ASCII characters (encode others)")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("expected a URL such as https://host/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL that starts with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong in a URL; use auth with a secret reference")
    host = parts.netloc.rsplit(":", 1)[0] if port is not None else parts.netloc.rstrip(":")
    if not _HOST.fullmatch(host):
        raise ValueError("expected a host name of letters, digits, dots and hyphens, or [an IPv6 address]")
    if port is not None and port < 1024 and port not in (80, 443):
        raise ValueError("expected port 80, 443 or one above 1023")
    return value


Url = Annotated[str, AfterValidator(check_url)]
"""An absolute http(s) URL."""


def _check_base(value: str) -> str:
    if "?" in value or "#" in value:
        raise ValueError("expected a URL without ? and #; query parameters belong to requests, keys to auth")
    return value


BaseUrl = Annotated[Url, AfterValidator(_check_base)]


class BearerAuth(Strict):
    """`Authorization: Bearer <token>` (RFC 6750)."""

    type: Literal["bearer"]
    token: SecretReference


class BasicAuth(Strict):
    """`Authorization: Basic …` (RFC 7617)."""

    type: Literal["basic"]
    username: str
    password: SecretReference


class HeaderAuth(Strict):
    """A key in a header of the vendor's choice."""

    type: Literal["header"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    value: SecretReference


class QueryAuth(Strict):
    """A key in a query parameter."""

    type: Literal["query"]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    value: SecretReference


Auth = Annotated[BearerAuth | BasicAuth | HeaderAuth | QueryAuth, Field(discriminator="type")]


class Window(Strict):
    """At most `requests` calls in any `per`; in a window of up to a minute, `burst - 1` more.

    `burst` is how many may leave at once; the rest is spaced evenly. After a pause they leave on top of what is spaced,
    as vendors count who give so many calls in hand: of 50 in `1s` with a burst of 5, any second has at most 54, with a
    burst of 50 at most 99. Leave it out, or lower `requests`, where that is too many. A window of more than a minute
    has at most `requests` in any `per`, whatever its burst. Without `burst`, a window of up to a minute is spaced call
    by call, and a longer one is a quota that may be used at any pace.
    """

    requests: Annotated[int, Field(ge=1, le=10_000_000)]
    per: Duration
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @field_validator("per")
    @classmethod
    def _check_per(cls, value: timedelta) -> timedelta:
        if not timedelta(milliseconds=100) <= value <= timedelta(days=366):
            raise ValueError("expected between 100ms and 366d")
        return value

    @field_validator("burst")
    @classmethod
    def _check_burst(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > info.data.get("requests", value):
            raise ValueError("expected at most the window's requests")
        return value

    @property
    def is_quota(self) -> bool:
        """Whether the window only counts calls, without spacing them."""
        return self.burst is None and self.is_long

    @property
    def is_long(self) -> bool:
        """Whether it is longer than a minute: an amount that was agreed on, not a rate."""
        return self.per > timedelta(minutes=1)

    @property
    def most(self) -> int:
        """Calls that any `per` has at most."""
        return self.requests if self.is_long else self.requests + (self.burst or 1) - 1


class Budget(Strict):
    """The contract: every window holds, and at most `in_flight` calls are open at any moment, over all fetchers."""

    windows: Annotated[tuple[Window, ...], Field(max_length=8)] = ()
    in_flight: Annotated[int, Field(ge=1, le=1000)] = 20


class Backoff(Strict):
    """Exponential with full jitter: the n-th wait is random between 0 and `base`·`factor`ⁿ⁻¹, at most `cap`."""

    base: Duration = timedelta(seconds=1)
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    cap: Duration = timedelta(minutes=2)


class Retry(Strict):
    """How often and how long a call is tried. Waits for a rate limit cost no attempt but end after `stall`."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 6
    backoff: Backoff = Backoff()
    total: Duration = timedelta(minutes=30)
    stall: Duration = timedelta(hours=6)
    longest_wait: Duration = timedelta(hours=1)


class Outcome(Strict):
    """A rule over the answer (`status`, `headers`, `body`) that decides before the defaults by status do."""

    when: AnswerExpression
    is_: Annotated[Literal["success", "empty", "retry", "rate_limited", "fail"], Field(alias="is")]


def _check_deadline(value: timedelta) -> timedelta:
    if value < timedelta(milliseconds=1):
        raise ValueError("expected at least 1ms; there is no call without an end")
    return value


Deadline = Annotated[Duration, AfterValidator(_check_deadline)]


class Timeouts(Strict):
    """Deadlines of one call. `total` bounds everything from connecting to the last byte."""

    connect: Deadline = timedelta(seconds=5)
    first_byte: Deadline = timedelta(seconds=30)
    total: Deadline = timedelta(minutes=2)


class Limits(Strict):
    """The largest body, decoded, that is accepted. A page takes about ten times its size while it is taken apart."""

    body: Size = 16 * 1024**2


class Network(Strict):
    """Explicit exceptions from the guard against calls into the own network."""

    private_addresses: Literal["refuse", "allow"] = "refuse"
    redirects: Literal["refuse", "follow"] = "refuse"


class JobOutcome(Strict):
    """What an answer about the status says of a vendor job; the first expression that holds counts."""

    done: AnswerExpression | None = None
    failed: AnswerExpression | None = None
    progress: AnswerExpression | None = None


class CallbackOutcome(JobOutcome):
    """What a callback says of a vendor job, and an answer about the status that has no rules of its own: expressions
    over {body, headers}. Without any, every callback means that the job is done."""

    done: MessageExpression | None = None
    failed: MessageExpression | None = None
    progress: MessageExpression | None = None


class Callbacks(Strict):
    """How a vendor calls back: its proof, where its job's id stands, what it says.

    Callbacks by token need no `vendor_job`; without `verify` only they are taken.
    """

    verify: Verification | None = None
    vendor_job: MessageExpression | None = None
    outcome: CallbackOutcome = CallbackOutcome()


class Vendor(Strict):
    """A third party's API and the contract with it."""

    vendor: Name
    base_url: BaseUrl
    auth: Auth | None = None
    budget: Budget = Budget()
    retry: Retry = Retry()
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=50)] = ()
    egress: Annotated[tuple[Literal["direct"] | Url, ...], Field(min_length=1, max_length=50)] = ("direct",)
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    network: Network = Network()
    callbacks: Callbacks = Callbacks()


CAREFUL_BUDGET = Budget(windows=(Window(requests=5, per=timedelta(seconds=1), burst=1),), in_flight=4)
"""The budget of a vendor that nobody described: slow enough not to annoy a stranger's API."""

AD_HOC = "url:"
"""Prefix of the names of vendors that nobody configured. No configured vendor can have it, so nobody's credentials
are ever sent to a host that a job names."""
