"""callback-gateway: what may enter. The one HTTP edge.

- decides: whether a request is well-formed, whether it is a repetition (idempotency keys), whether a callback proves
  where it comes from, and which task it is for
- reads: `jobs.events`, `tasks.events`, `callbacks.expected`, `callbacks.received`, `vendors`, `sources`, every
  service's dead letters
- writes: `jobs.requested`, `jobs.control`, `callbacks.received`, `tasks.events` (what vendors tell), `vendors`,
  `sources`
- owns: read models of jobs, tasks and dead letters, tasks that wait and callbacks, idempotency keys, the spool, in the
  schema `callback_gateway`

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
