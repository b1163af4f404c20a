"""The vendor: somebody else's API, how it may be called and what its contract allows."""

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from shared.specification.auth import Auth
from shared.specification.values import (
    AnswerExpression,
    AtMost,
    Between,
    Duration,
    MessageExpression,
    Name,
    Size,
    Strict,
    Words,
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


Url = Annotated[str, AfterValidator(check_url), Words("URL")]
"""An absolute http(s) URL."""


def _check_base(value: str) -> str:
    if "?" in value or "#" in value:
        raise ValueError("expected a URL without ? and #; query parameters belong to requests, keys to auth")
    return value


BaseUrl = Annotated[Url, AfterValidator(_check_base)]


class Window(Strict):
    """At most `requests` calls in any `per`; in a window of up to a minute, `burst - 1` more.

    In a window of up to a minute calls are spaced evenly, and `burst` calls may leave at once. After a pause the burst
    leaves in addition to the spaced calls, as in a token bucket: with 50 in `1s` and a burst of 5 any second has at
    most 54 calls, with a burst of 50 at most 99. For a vendor that counts strictly, leave `burst` out or lower
    `requests`. A window of more than a minute never has more than `requests` calls in any `per`.
    """

    requests: Annotated[int, Between(1, 10_000_000)]
    """How many calls the contract allows in one `per`."""
    per: Duration
    """The window's length, between 100ms and 366d."""
    burst: Annotated[int, Between(1, 1_000_000)] | None = None
    """How many calls may leave at once, at most `requests`. Without it, calls in a window of up to a minute are spaced
    one by one, and a longer window is a quota that may be used at any pace."""

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
    """The contract with the vendor. It holds for all fetchers together."""

    windows: Annotated[tuple[Window, ...], AtMost(8)] = ()
    """The contract's rates and quotas. Every one of them holds. Without any, only `in_flight` limits the calls."""
    in_flight: Annotated[int, Between(1, 1000)] = 20
    """How many calls may be open at the same time."""
    reset_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    """A header of the vendor's own that says when a limit or quota is free again."""


class Backoff(Strict):
    """The waits between attempts. The n-th wait is random between 0 and `base`·`factor`ⁿ⁻¹, at most `cap`."""

    base: Duration = timedelta(seconds=1)
    """The longest that the first wait may be."""
    factor: Annotated[float, Between(1, 10)] = 2.0
    """The longest wait grows by this factor with each attempt."""
    cap: Duration = timedelta(minutes=2)
    """The longest wait is never more than this."""


class Retry(Strict):
    """How often and how long a call is tried. A wait for a rate limit costs no attempt."""

    attempts: Annotated[int, Between(1, 100)] = 6
    """How often a call is tried, the first time included."""
    backoff: Backoff = Backoff()
    """The waits between attempts."""
    total: Duration = timedelta(minutes=30)
    """The time for all attempts, without waits for rate limits. After it the call is given up."""
    stall: Duration = timedelta(hours=6)
    """A call that gets nothing but rate limits for this long is given up as `rate_limited`."""
    longest_wait: Duration = timedelta(hours=1)
    """If the vendor asks for a longer pause, it is called again after this time. Only the vendor's own policy limits
    pauses, since they hold for all jobs."""


class Outcome(Strict):
    """A rule that decides what an answer is, before the defaults by status do."""

    when: AnswerExpression
    """The rule applies to an answer for which this is true."""
    is_: Annotated[Literal["success", "empty", "retry", "rate_limited", "fail"], Field(alias="is")]
    """What the answer then is: a `success`; `empty`, a success without records; a reason to `retry`; `rate_limited`,
    which costs no attempt; or a reason to `fail` at once."""


def _check_deadline(value: timedelta) -> timedelta:
    if value < timedelta(milliseconds=1):
        raise ValueError("expected at least 1ms; there is no call without an end")
    return value


Deadline = Annotated[Duration, AfterValidator(_check_deadline)]


class Timeouts(Strict):
    """Deadlines of one call."""

    connect: Deadline = timedelta(seconds=5)
    """The time until the connection is open."""
    first_byte: Deadline = timedelta(seconds=30)
    """How long the vendor may be silent before its answer, or in the middle of it."""
    total: Deadline = timedelta(minutes=2)
    """The time from the start of the call to the last byte of its answer."""


class Limits(Strict):
    """How large an answer may be. While a page is parsed it takes about ten times its size in memory."""

    body: Size = 16 * 1024**2
    """The largest body of an answer, after decompression."""


class Network(Strict):
    """Where the calls of the vendor may lead, beside public addresses."""

    private_addresses: Literal["refuse", "allow"] = "refuse"
    """`allow`: the vendor may have an address in the private networks that the installation opens
    (`SLUICE_PRIVATE_NETWORKS`)."""
    redirects: Literal["refuse", "follow"] = "refuse"
    """`follow`: up to three redirects of a call are followed, to addresses that the vendor may have. Each takes a call
    of the budget."""


class JobOutcome(Strict):
    """What an answer about the status says of a vendor job. The first expression that is true counts."""

    done: AnswerExpression | None = None
    """True if the vendor job is done."""
    failed: AnswerExpression | None = None
    """True if the vendor job has failed."""
    progress: AnswerExpression | None = None
    """True if the vendor job is under way."""


class CallbackOutcome(JobOutcome):
    """What a callback says of a vendor job; also what an answer about the status says, unless `status` has rules of its
    own. The first expression that is true counts. Without any, every callback means that the job is done."""

    done: MessageExpression | None = None
    """True if the vendor job is done."""
    failed: MessageExpression | None = None
    """True if the vendor job has failed."""
    progress: MessageExpression | None = None
    """True if the vendor job is under way. This begins the time of `heartbeat` anew."""


class Callbacks(Strict):
    """The proof, the place of the vendor's id and the meaning of callbacks."""

    verify: Verification | None = None
    """How a callback proves that the vendor sent it. Without this field only callbacks with a token in their URL are
    taken."""
    vendor_job: MessageExpression | None = None
    """Where a callback has the vendor's id of its job. Callbacks with a token in their URL need none."""
    outcome: CallbackOutcome = CallbackOutcome()
    """What a callback says of the vendor job."""


class Vendor(Strict):
    """A third party's API and the contract with it."""

    vendor: Name
    """The vendor's name."""
    base_url: BaseUrl
    """The URL to which the paths of requests are added."""
    auth: Auth | None = None
    """The credential that every call carries. Without this field calls carry none."""
    budget: Budget = Budget()
    """The contract."""
    retry: Retry = Retry()
    """How often and how long a call is tried."""
    outcomes: Annotated[tuple[Outcome, ...], AtMost(50)] = ()
    """Rules for answers whose status does not say what they are. The first one that applies counts."""
    egress: Annotated[tuple[Literal["direct"] | Url, ...], Field(min_length=1), AtMost(50)] = ("direct",)
    """How calls leave: `direct`, or through the proxy with this URL. Attempts take them in turn, and a rate-limited one
    rests."""
    timeouts: Timeouts = Timeouts()
    """How long a call may take."""
    limits: Limits = Limits()
    """How large an answer may be."""
    network: Network = Network()
    """Exceptions from the protection of private networks."""
    callbacks: Callbacks = Callbacks()
    """How the vendor calls back."""


CAREFUL_BUDGET = Budget(windows=(Window(requests=5, per=timedelta(seconds=1), burst=1),), in_flight=4)
"""The budget of a vendor without a contract: slow enough not to annoy a stranger's API."""

AD_HOC = "url:"
"""Prefix of the names of vendors that nobody configured. No configured vendor can have it, so nobody's credentials
are ever sent to a host that a job names."""
