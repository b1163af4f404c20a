"""`jobs.events`, `tasks.events`, dead letters → the read models that the API shows."""
