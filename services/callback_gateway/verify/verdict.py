"""What a verification says."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was not verified; also a label of metrics, so there are few of them."""

    MISSING = "signature_missing"
    WRONG = "signature_wrong"
    EXPIRED = "timestamp_beyond_tolerance"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Verified:
    """It comes from a holder of a secret. `sender_id` is the sender's own id, where the scheme has one."""

    sender_id: str | None = None


@dataclass(frozen=True, slots=True)
class Forged:
    """It proves nothing; `detail` says what was expected and repeats nothing of what came."""

    reason: Reason
    detail: str


Verdict = Verified | Forged
