"""By the clock: the log of attempts is kept for some time, and fetchers and ad-hoc hosts while they are in use."""
