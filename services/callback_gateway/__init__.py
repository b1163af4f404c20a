"""callback-gateway: what may enter. The one HTTP edge.

- decides: who may ask (API keys), whether a request is well-formed, whether a webhook or a callback comes from whom it
  says, which task a callback is for, whether something is a repetition (idempotency keys, senders' ids)
- reads: `jobs.events`, `tasks.events`, `callbacks.expected`, `callbacks.received`, `schedules.events`, `vendors`,
  `sources`, `hooks`, every service's dead letters
- writes: `jobs.requested`, `jobs.control`, `callbacks.received`, `webhooks.received`, `schedules.requested`,
  `tasks.events` (what vendors tell), `vendors`, `sources`, `hooks`
- owns: read models of jobs, tasks, schedules and dead letters, tasks that wait and callbacks, idempotency keys, ids of
  webhooks, API keys, the spool, in the schema `callback_gateway`

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
