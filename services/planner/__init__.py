"""planner: which calls a job needs, when each may be released, when a job is over.

- decides: whether a webhook starts a job, whether a specification is accepted, the next pages from an answer's facts,
  fair shares of a vendor's window, what became of a vendor's job, the end of a job and whether it is complete
- reads: `jobs.requested`, `jobs.control`, `tasks.events`, `tasks.due`, `webhooks.received`, `notifications`, `vendors`,
  `sources`, `hooks`
- writes: `jobs.requested` (of webhooks and notifications), `jobs.control` (what cannot be redriven yet), `jobs.events`,
  `tasks.events` (planned, released, cancelled, dead where a call cannot be sent, the ends of waits), `notifications`,
  `fetch.requested`, `callbacks.expected`, `timers.requested`
- owns: the tables `jobs`, `tasks`, `early_orders`, `vendors`, `sources`, `hooks` of the schema `planner`

Tasks wait in the table and are released by window: for each vendor at most what its contract can use in the next few
seconds, shared fairly between its jobs. That gives back-pressure, instant pause and cancel, and a small Kafka backlog.
"""
