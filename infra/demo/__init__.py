"""`make demo`: everything started, one job run, its result on the screen."""
