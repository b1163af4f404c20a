"""By the clock: idempotency keys, ids of webhooks and callbacks are forgotten when nobody asks for them any more."""
