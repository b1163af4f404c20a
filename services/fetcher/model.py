"""Calls as the fetcher holds them, and what may come of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.events.tasks import Attempt, FetchRequested
from shared.messaging.handler import Outgoing
from shared.specification.vendor import CAREFUL_BUDGET, Vendor

MOST_TAKEOVERS = 3
"""Give a call up after this many consecutive fetchers died with it open. Its last try runs without other suspects, so
another call cannot be to blame."""
SUSPECT_FROM = MOST_TAKEOVERS - 1
"""A call is a suspect from this many deaths on."""
REFUSALS = 5
"""After so many refused or missing credentials in a row, a vendor is called once in a while only, until a success."""

FAULTS = 20
"""After so many faults in a row a vendor rests, and is then called once in a while only, until it works: its circuit is
open. Fewer are what a job of a few calls makes by itself, to which its own retry policy is the answer."""
PROBES = 80
"""So many such calls in vain, over some six hours, end this: what waits is tried again as its retry policy says, since
every wait has to end."""


def is_circuit_open(faults: int) -> bool:
    """Whether a vendor with so many faults in a row is called once in a while only."""
    return FAULTS <= faults < FAULTS + PROBES


ClaimKey = tuple[UUID, int]
"""A call's id and the number of its claim."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call that this fetcher has claimed. `claim` is the fence: an outcome counts only under the number of its claim.
    `moment` is the permit, in microseconds on the database's clock. `may_have_left`: the vendor may have it, from
    an earlier attempt. `is_suspect`: consecutive fetchers have ended with it. `unreadable`: why it cannot be made, only
    given up."""

    id: UUID
    request: FetchRequested
    raw: bytes
    origin: dict[str, Any]
    vendor: Vendor | None
    repeatable: bool
    attempt: int
    claim: int
    first_attempt_at: datetime
    limited_since: datetime | None
    created_at: datetime
    moment: int
    may_have_left: bool = False
    is_suspect: bool = False
    unreadable: str = ""

    @property
    def payload(self) -> str:
        """The name of what it stores. It is another one under each claim, as the fetcher that had the call before may
        still be at it. Claims are counted anew when a message is delivered again, in a replay say."""
        return f"{self.request.number}-{self.request.round}-{self.origin['delivery']}-{self.claim}"

    @property
    def key(self) -> ClaimKey:
        """What tells this claim from earlier and later claims of the same call."""
        return self.id, self.claim


class Leave(Protocol):
    """What a call needs to leave: its permit, while it is made."""

    @property
    def is_kept(self) -> bool:
        """Whether the request may be written to a socket now: its permit counts, and so does its mark."""

    @property
    def counts(self) -> bool:
        """Whether the permit still counts."""

    def left(self) -> None:
        """The request was written to a socket."""

    async def again(self) -> None:
        """Waits until it may be written once more, where a redirect leads to."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over. `messages` say so, in the order in which they must become visible. `spent_until`: the vendor
    said that it was the last of a quota. `credential_refused`: it does not know our credential, or that is missing
    here. `vendor_works`: whether the vendor as a whole does; None if the call does not show it."""

    call: Claimed
    messages: tuple[Outgoing, ...]
    attempt: Attempt | None
    succeeded: bool
    spent_until: datetime | None = None
    credential_refused: bool = False
    vendor_works: bool | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """The call goes back to the table until `not_before`. When `limited`, its vendor rests until then, too, and no
    attempt is counted. `met_limit`: whether it met a limit, of vendor or egress; None if it was not made.
    `may_have_left`: the vendor may have it. `vendor_works`: as in `Ended`."""

    call: Claimed
    not_before: datetime
    next_attempt: int
    messages: tuple[Outgoing, ...] = ()
    attempt: Attempt | None = None
    limited: bool = False
    met_limit: bool | None = None
    reason: str = ""
    may_have_left: bool = False
    vendor_works: bool | None = None


Outcome = Ended | Later


@dataclass(frozen=True, slots=True)
class Unsent:
    """A call whose messages must be produced. When it `ends`, its row goes afterwards."""

    id: UUID
    messages: Sequence[Outgoing]
    ends: bool = True


def ad_hoc(name: str, base_url: str) -> Vendor:
    """A vendor that is not configured: no credentials, a careful budget."""
    return Vendor.model_construct(**{**_DEFAULTS, "vendor": name, "base_url": base_url, "budget": CAREFUL_BUDGET})


_DEFAULTS: dict[str, Any] = {
    name: getattr(Vendor(vendor="x", base_url="https://x.example"), name) for name in Vendor.model_fields
}
