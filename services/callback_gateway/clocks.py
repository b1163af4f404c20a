"""How nearly the clocks of processes agree."""

from datetime import timedelta

ALMOST = timedelta(seconds=0.1)
"""Times of two processes that are less than this apart say nothing of which came first."""
