"""scheduler: when. The platform's clock.

- decides: what is sent later, and that its time has come; what follows from the end of what a schedule started
- reads: `timers.requested`, the `retry` topic of every service, `schedules.requested`, `jobs.events`
- writes: any topic, at the time; `schedules.events`, `notifications`, `scheduler.dead`
- owns: the tables `timers`, `schedules` and `firings` of the schema `scheduler`

Postgres' clock decides what is due. A timer's row goes after the broker acknowledged its message, in the transaction
that claimed it; a crash in between sends the message once more, under the same id, and consumers drop it.
"""
