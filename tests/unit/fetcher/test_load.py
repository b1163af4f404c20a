"""What a lane has under way."""

from datetime import UTC, datetime
from uuid import UUID

from prometheus_client import REGISTRY

from services.fetcher.lanes.load import LaneLoad
from services.fetcher.lanes.slots import CallSlots, SlotRules
from services.fetcher.model import Claimed, Ended, Later
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested

AT = datetime(2026, 1, 1, tzinfo=UTC)


def claimed(claim: int) -> Claimed:
    """The same call under this claim."""
    request = FetchRequested(
        task_id=UUID(int=1), job_id=UUID(int=2), number=0, vendor="v", call=Call(), processing=Processing(source="s")
    )
    return Claimed(
        id=UUID(int=1),
        request=request,
        raw=b"",
        origin={},
        vendor=None,
        repeatable=True,
        attempt=1,
        claim=claim,
        first_attempt_at=AT,
        limited_since=None,
        created_at=AT,
        moment=0,
    )


def opened(calls: int) -> LaneLoad:
    """A lane with so many calls open."""
    load = LaneLoad("v", CallSlots(SlotRules(8, 1), lambda vendor: None), lambda: None)
    load.most = 8
    load.reserve(calls)
    load.claimed(calls)
    return load


def in_flight() -> float:
    return REGISTRY.get_sample_value("sluice_vendor_calls_in_flight", {"vendor": "v"}) or 0.0


def test_a_call_that_was_claimed_again_while_its_first_run_was_open_counts_twice() -> None:
    before = in_flight()
    load = opened(2)
    for claim in (1, 2):
        load.ended(Ended(claimed(claim), (), None, succeeded=True))
    assert load.at_vendor == 0
    for claim in (1, 2):
        load.settled(claimed(claim))
    assert (load.open, load.at_vendor, in_flight()) == (0, 0, before)


def test_a_refusal_counts_until_it_is_written_down_whatever_came_of_an_earlier_run_of_its_call() -> None:
    load = opened(2)
    for claim in (1, 2):
        load.ended(Later(claimed(claim), AT, 1, limited=True))
    load.settled(claimed(1))
    assert load.is_refused
    load.settled(claimed(2))
    assert not load.is_refused
