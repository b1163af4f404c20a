"""By the clock: the log of attempts is kept for some time only, and of fetchers and strange hosts what is alive."""
