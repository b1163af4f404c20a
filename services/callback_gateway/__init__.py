"""callback-gateway: what may enter. The one HTTP edge.

- decides: who may ask (API keys), whether a request is well-formed, whether a webhook comes from whom it says, whether
  something is a repetition (idempotency keys, senders' ids)
- reads: `jobs.events`, `tasks.events`, `vendors`, `sources`, `hooks`, every service's dead letters
- writes: `jobs.requested`, `jobs.control`, `webhooks.received`, `vendors`, `sources`, `hooks`
- owns: read models of jobs, tasks and dead letters, idempotency keys, ids of webhooks, API keys, the spool, in the
  schema `callback_gateway`

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
