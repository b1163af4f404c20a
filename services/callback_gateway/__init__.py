"""callback-gateway: what may enter. The one HTTP edge.

- decides: whether a request is well-formed, whether it is a repetition (idempotency keys), whether a webhook or a
  callback proves where it comes from, and which task a callback is for
- reads: `jobs.events`, `tasks.events`, `callbacks.expected`, `callbacks.received`, `schedules.events`, `vendors`,
  `sources`, `hooks`, every service's dead letters
- writes: `jobs.requested`, `jobs.control`, `callbacks.received`, `webhooks.received`, `schedules.requested`,
  `tasks.events` (what vendors tell), `vendors`, `sources`, `hooks`
- owns: read models of jobs, tasks, schedules and dead letters, tasks that wait and callbacks, idempotency keys, API
  keys, the spool, in the schema `callback_gateway`

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
