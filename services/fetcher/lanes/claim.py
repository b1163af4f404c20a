"""What one claim of a lane brings."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.fetcher.lanes.decide import Wait
from services.fetcher.model import Claimed, ad_hoc
from shared.events.tasks import FetchRequested
from shared.specification.vendor import Vendor


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What one claim brought: calls, each with its moment, and what the lane waits for now."""

    calls: tuple[Claimed, ...]
    wait: Wait


def in_order(
    claimed: list[Claimed], due: list[UUID], moments: tuple[int, ...], vendor: Vendor | None
) -> tuple[Claimed, ...]:
    """The claimed calls in the order in which they were due, each with its moment and its vendor."""
    by_id = {call.id: call for call in claimed}
    calls = []
    for call_id, moment in zip(due, moments, strict=False):
        call = replace(by_id[call_id], moment=moment)
        calls.append(replace(call, vendor=vendor or _ad_hoc(call.request)))
    return tuple(calls)


def _ad_hoc(request: FetchRequested) -> Vendor | None:
    return ad_hoc(request.vendor, request.base_url) if request.base_url else None
