"""By the clock: idempotency keys and callbacks are forgotten when nobody asks for them any more."""
