"""callback-gateway: what may enter. The one HTTP edge.

- decides: whether a request is well-formed, whether it is a repetition (idempotency keys)
- reads: `jobs.events`, `tasks.events`, `schedules.events`, `vendors`, `sources`, every service's dead letters
- writes: `jobs.requested`, `jobs.control`, `schedules.requested`, `vendors`, `sources`
- owns: read models of jobs, tasks, schedules and dead letters, idempotency keys and the spool, in the schema
  `callback_gateway`

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
