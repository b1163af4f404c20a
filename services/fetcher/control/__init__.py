"""`jobs.events` → the waiting calls of a cancelled job are not made; those of a paused one wait until it goes on."""
