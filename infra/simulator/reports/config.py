"""What a vendor's asynchronous jobs are like, and how it calls back."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.simulator.settings import Seconds, Settings, Share
from infra.simulator.signatures import key_of


class Signing(Settings):
    """How callbacks prove where they come from."""

    scheme: Literal["standard-webhooks", "hmac", "token"]
    """Standard Webhooks 1.0; the body's HMAC-SHA256 in hexadecimal; or the secret itself."""
    secret: str = Field(min_length=1)
    """For Standard Webhooks `whsec_` and base64, else any text."""
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "X-Signature"
    """Where `hmac` and `token` put it."""
    prefix: str = ""
    """What stands before it there, such as `sha256=` or `Bearer `."""

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        if self.scheme == "standard-webhooks":
            key_of(self.secret)
        return self


class ReportsConfig(Settings):
    """Asynchronous jobs. Each is called back in one manner; the shares of the manners may add up to 1 at most, and what
    is left is on time: once, when the work is over."""

    rows: int = Field(default=10, ge=0, le=1_000_000)
    """Rows of each report; they follow from its input alone."""
    work_seconds: tuple[Seconds, Seconds] = (0.1, 0.5)
    """Least and most time that the work takes, drawn evenly."""
    failed_share: Share = 0.0
    """Reports that fail in the end."""
    idempotency_keys: bool = False
    """Whether a submit with a known Idempotency-Key gets the report that the first one made."""

    callback_url: str | None = None
    """Where callbacks of submits without a `callback_url` go; null: such submits are not called back."""
    sign: Signing | None = None
    """How callbacks are signed; null: not at all."""
    progress: int = Field(default=0, ge=0, le=100)
    """Callbacks with status `running` that each report sends at even distances during its work."""
    early_share: Share = 0.0
    """Done at once, and called back (and answered) before the submit is answered."""
    twice_share: Share = 0.0
    """Called back twice at the same moment with the same id."""
    late_share: Share = 0.0
    """Called back `late_seconds` after the work is over."""
    late_seconds: Seconds = 5.0
    """How late a late callback is."""
    out_of_order_share: Share = 0.0
    """The callbacks of progress (one at least) come behind the final one."""
    forged_share: Share = 0.0
    """Half-way through the work somebody else claims the opposite of the outcome: with another secret, or without a
    signature where nobody signs, with another last part of the URL's path."""
    never_share: Share = 0.0
    """Not called back at all."""

    attempts: int = Field(default=5, ge=1, le=100)
    """How often a callback is sent until it is answered with 2xx; 410 ends it, too. Forged ones are sent once."""
    retry_seconds: Seconds = 0.5
    """Wait before the second attempt; it doubles with each, up to `retry_seconds_max`."""
    retry_seconds_max: Seconds = 3_600.0
    """The longest wait between two attempts."""
    timeout_seconds: Seconds = 10.0
    """How long an answer to a callback is waited for."""
    in_flight_max: int = Field(default=64, ge=1, le=1_000)
    """Callbacks that may be unanswered at once."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if sum(share for _, share in self.manners) > 1 + 1e-9:
            raise ValueError("the shares of the manners of callbacks add up to more than 1")
        if self.work_seconds[0] > self.work_seconds[1]:
            raise ValueError("work_seconds must be [least, most]")
        return self

    def pause_seconds(self, attempt: int) -> float:
        """The wait behind an attempt, counted from 1."""
        return min(self.retry_seconds * 2.0 ** (attempt - 1), self.retry_seconds_max)

    @property
    def manners(self) -> tuple[tuple[str, float], ...]:
        """Each manner other than on time with its share."""
        return (
            ("early", self.early_share),
            ("twice", self.twice_share),
            ("late", self.late_share),
            ("out_of_order", self.out_of_order_share),
            ("forged", self.forged_share),
            ("never", self.never_share),
        )
