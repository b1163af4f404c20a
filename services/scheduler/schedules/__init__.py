"""`schedules.requested`, the clock and the ends of jobs → firings, and `schedules.events` that tell of them."""
