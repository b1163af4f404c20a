"""By the clock: idempotency keys are forgotten when nobody repeats their requests any more."""
