"""Instruments of the fetcher."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic

REQUESTS = Counter("sluice_vendor_requests_total", "Calls made, by what came of them", ["vendor", "verdict"])
REQUEST_SECONDS = Histogram(
    "sluice_vendor_request_seconds",
    "From sending a call to the last byte of its answer",
    ["vendor"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
IN_FLIGHT = Gauge("sluice_vendor_calls_in_flight", "Calls of this process that a vendor has not answered", ["vendor"])
PERMITS = Counter("sluice_vendor_permits_total", "Permits by what became of them", ["vendor", "fate"])
PERMITTED_RATE = Gauge("sluice_vendor_permitted_requests_per_second", "What the contract allows now", ["vendor"])
PAUSED_SECONDS = Gauge("sluice_vendor_paused_seconds", "For how long a vendor is still paused", ["vendor"])
CIRCUIT_OPEN = Gauge(
    "sluice_vendor_circuit_open", "1 while a vendor is paused because it cannot be reached or answers 5xx", ["vendor"]
)
CREDENTIALS_REFUSED = Counter(
    "sluice_vendor_credentials_refused_total",
    "Calls answered with 401, or without the secret of their vendor's auth",
    ["vendor"],
)
ANSWERS_HELD = Gauge("sluice_answers_held", "Answers that wait for the payload store to take them")
PAYLOAD_BYTES = Counter("sluice_payload_bytes_total", "Bytes stored", ["vendor"])
TAKEN_OVER = Counter("sluice_calls_taken_over_total", "Calls of silent fetchers that were taken over")

_PAUSE_ENDS = dict[str, float]()
"""By label, on the monotonic clock. A vendor that was called is in it, paused or not."""
_FAILING = set[str]()
"""Labels of vendors that are paused because they fail."""


class PauseSeen(NamedTuple):
    """A vendor that is paused for so many seconds more; because it fails, if its circuit is open."""

    vendor: str
    seconds: float
    is_circuit_open: bool


def show_vendor(vendor: str) -> None:
    """The vendor is called: it is shown as paused for 0 seconds, unless it is."""
    label = vendor_label(vendor)
    if label not in _PAUSE_ENDS:
        _PAUSE_ENDS[label] = 0.0
        PAUSED_SECONDS.labels(vendor=label).set_function(partial(_pause_left, label))
        CIRCUIT_OPEN.labels(vendor=label).set_function(partial(_is_circuit_open, label))


def show_pauses(pauses: Sequence[PauseSeen]) -> None:
    """These vendors are paused, and no others. The gauge counts down by itself. Of ad-hoc vendors, which share a label,
    the longest pause counts."""
    now = monotonic()
    _PAUSE_ENDS.update(dict.fromkeys(_PAUSE_ENDS, 0.0))
    _FAILING.clear()
    for pause in sorted(pauses, key=attrgetter("seconds")):
        label = vendor_label(pause.vendor)
        show_vendor(pause.vendor)
        _PAUSE_ENDS[label] = now + pause.seconds
        if pause.is_circuit_open:
            _FAILING.add(label)


def _pause_left(label: str) -> float:
    return max(0.0, _PAUSE_ENDS[label] - monotonic())


def _is_circuit_open(label: str) -> bool:
    return label in _FAILING and _pause_left(label) > 0
