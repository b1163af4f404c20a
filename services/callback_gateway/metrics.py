"""Instruments of the gateway."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("sluice_http_requests_total", "Requests answered", ["route", "status"])
HTTP_SECONDS = Histogram(
    "sluice_http_request_seconds",
    "From a request's head to the end of its answer's head",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10),
)
HELD_BYTES = Gauge("sluice_http_body_bytes", "Bytes of the bodies of requests that are not answered yet")
HTTP_CONNECTIONS = Gauge("sluice_http_connections", "Open connections to the API")
SPOOLED = Counter("sluice_spooled_messages_total", "Messages kept in the spool because the broker did not answer")
SPOOL_DEPTH = Gauge("sluice_spool_messages", "Messages in the spool at the last look")
CALLBACKS = Counter("sluice_callbacks_total", "Callbacks by what they were worth", ["vendor", "verdict"])
CALLBACK_SECONDS = Histogram(
    "sluice_callback_seconds",
    "From a callback's arrival to the event for its task",
    ["vendor"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
)
WAITING_REQUESTS = Gauge("sluice_waiting_requests", "Requests that wait for the end of their job")
EVENT_STREAMS = Gauge("sluice_event_streams", "Open streams of server-sent events")
WEBHOOKS = Counter("sluice_webhooks_total", "Webhooks that came in, by what was made of them", ["hook", "verdict"])
ACCESS_REFUSED = Counter(
    "sluice_access_refused_total",
    "Requests without a key or its scope, or too many of one key",
    ["status"],
)
LETTERS_REDRIVEN = Counter("sluice_dead_letters_redriven_total", "Dead letters that were sent again", ["topic"])
MOST_COUNTED = 10_000
"""Dead letters of one service and reason."""
LETTERS_OPEN = Gauge(
    "sluice_dead_letters_open",
    f"Dead letters that wait to be sent again or put away; {MOST_COUNTED:,} stands for that many or more",
    ["service", "reason"],
)
