"""By the clock: what nobody asks for any more is forgotten: keys, webhooks, callbacks, old jobs and dead letters."""
