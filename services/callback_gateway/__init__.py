"""callback-gateway: what may enter. The one HTTP edge.

- decides: who may ask (API keys), whether a request is well-formed, whether a webhook or a callback comes from whom it
  says, which task a callback is for, whether something is a repetition (idempotency keys, senders' ids), which dead
  letters are sent again
- reads: `jobs.events`, `tasks.events`, `callbacks.expected`, `callbacks.received`, `schedules.events`, `vendors`,
  `sources`, `hooks`, every service's dead letters
- writes: `jobs.requested`, `jobs.control`, `callbacks.received`, `webhooks.received`, `schedules.requested`,
  `tasks.events` (what vendors tell), `vendors`, `sources`, `hooks`; `callback-gateway.retry`, `callback-gateway.dead`
  (also callbacks that nobody has waited for); the originals of dead letters that are sent again, on any topic but those
  of the configuration
- owns, in the schema `callback_gateway`: read models of jobs, their tasks and events, schedules and their firings, and
  dead letters; its copy of vendors, sources and hooks; tasks that wait, and callbacks; idempotency keys, ids of
  webhooks, API keys; the spool
- creates: `records.<source>` when a source with such a sink is applied
- deletes in the payload store: the bodies of answers whose time is over, and all that forgotten requests left there

Files:
- `app.py`: which topic goes to which behaviour, and what runs by itself
- `configuration_cache.py`: vendors, sources and hooks as the edge knows them
- `clocks.py`: how nearly clocks agree
- `resting.py`: what the broker did not take rests for a while
- `http/`: the API, on the way in and out; each file of `http/routes/` answers a part of it
- `webhooks/`: a webhook to a hook, once by its sender's id → `webhooks.received`
- `match/`: a callback and the tasks that wait for it, whichever comes first; what is for none becomes a dead letter
- `configure/`: vendors, sources and hooks, from their topics into tables
- `views/`: jobs, tasks and dead letters, from their events into the tables that the API shows
- `schedules/`: the same for schedules and their firings
- `redrive/`: dead letters that are sent again or discarded, and how many are open
- `spool/`: the way out to the broker, and what the broker did not take in time
- `expire/`: what is forgotten when its time is over
- `verify/`: signatures of webhooks and callbacks, a file for each scheme
- `keys/`: API keys, and the command that makes them

A request is answered with 2xx after the broker has acknowledged its event. If the broker does not answer, the event
is kept in the spool and produced later; if that fails, too, the answer is 503, never a promise kept in memory only.
"""
