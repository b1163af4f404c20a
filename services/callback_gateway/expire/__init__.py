"""By the clock: idempotency keys and ids of webhooks are forgotten when nobody repeats their requests any more."""
