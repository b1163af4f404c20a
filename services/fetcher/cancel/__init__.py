"""`jobs.events` → the calls of a cancelled job that nobody has made yet are not made."""
