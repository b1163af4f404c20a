"""By the clock: what nobody asks for any more (idempotency keys, callbacks, old jobs and dead letters) is forgotten."""
