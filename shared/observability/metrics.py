"""Instruments of the shell. Each service declares its own in its `metrics.py`; labels are bounded everywhere."""

from prometheus_client import Counter, Gauge, Histogram

from shared.specification.vendor import AD_HOC

BATCH_SECONDS = Histogram(
    "sluice_handler_batch_seconds",
    "From a batch in hand to its offsets noted, by consumer group",
    ["group"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
EVENTS = Counter("sluice_events_total", "Events by what became of them", ["group", "outcome"])
KEYLESS = Counter("sluice_keyless_records_total", "Records without a key, which have no order among them", ["group"])
PRODUCED = Counter("sluice_messages_produced_total", "Messages acknowledged by the broker", ["topic"])
WAITING = Gauge("sluice_handler_waiting", "1 while a consumer waits for infrastructure", ["group"])
CUT_OFF = Gauge(
    "sluice_consumer_cut_off", "Consumers of a group that have no connection to a broker or no access", ["group"]
)
LAG = Gauge("sluice_consumer_lag_records", "Records behind the end of the log", ["group", "topic"])
COMMIT_FAULTS = Counter("sluice_offset_commit_faults_total", "Offset commits that did not succeed", ["group"])
CIRCUIT_OPEN = Gauge(
    "sluice_consumer_circuit_open", "1 while a consumer stands still after too many failures", ["group"]
)
UNREADABLE = Gauge(
    "sluice_consumer_unreadable_partitions", "Partitions that stand still at a batch that cannot be read", ["group"]
)
POSITION_JUMPS = Counter(
    "sluice_position_jumps_total", "Times that the position of a consumer was not in the log any more", ["group"]
)
LOST = Counter("sluice_records_lost_total", "Offsets of records that were deleted before they were read", ["group"])
LOOP_FAULTS = Counter("sluice_loop_faults_total", "Rounds of a loop that failed", ["loop", "kind"])
LOOP_LAG = Gauge("sluice_event_loop_lag_seconds", "How late the event loop ran a timer the last time it was checked")


def vendor_label(vendor: str) -> str:
    """A vendor as a label: those that nobody configured, one for each host that a job names, share one."""
    return AD_HOC if vendor.startswith(AD_HOC) else vendor
