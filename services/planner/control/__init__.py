"""`jobs.control` → cancel, pause, resume, redrive."""
