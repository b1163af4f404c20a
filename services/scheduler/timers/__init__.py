"""`timers.requested`, `*.retry` → rows → any topic at the time."""
