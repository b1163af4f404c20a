"""Instruments of the scheduler."""

from prometheus_client import Counter, Gauge, Histogram

TIMERS_SET = Counter("sluice_timers_set_total", "Timers set")
TIMERS_CANCELLED = Counter("sluice_timers_cancelled_total", "Timers cancelled before they fired")
TIMERS_PENDING = Gauge("sluice_timers_pending", "Timers that wait for their time, as Postgres estimates them")
TIMERS_FIRED = Counter("sluice_timers_fired_total", "Timers fired", ["topic"])
LATENESS_SECONDS = Histogram(
    "sluice_timer_lateness_seconds",
    "From a timer's due time to the broker's acknowledgement of its message",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 5, 30, 300),
)
SCHEDULE_FACTS = Counter("sluice_schedule_facts_total", "What became of schedules and their firings", ["fact"])
