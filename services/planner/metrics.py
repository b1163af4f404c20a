"""Instruments of the planner."""

from prometheus_client import Counter, Gauge

JOBS_ENDED = Counter("sluice_jobs_ended_total", "Jobs that ended, by their end", ["state"])
INVOCATIONS_ENDED = Counter("sluice_invocations_ended_total", "Waits for vendor jobs that ended", ["vendor", "state"])
TASKS_PLANNED = Counter("sluice_tasks_planned_total", "Tasks planned", ["vendor"])
TASKS_RELEASED = Counter("sluice_tasks_released_total", "Tasks released to the fetcher", ["vendor"])
BACKLOG_CALLS = Gauge("sluice_backlog_calls", "Calls planned and not yet made", ["vendor"])
BACKLOG_SECONDS = Gauge("sluice_backlog_seconds", "How long the backlog takes at the contract's rate", ["vendor"])
TASKS_OUTSTANDING = Gauge("sluice_tasks_outstanding", "Tasks released and not yet fetched", ["vendor"])
