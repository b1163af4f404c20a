"""`jobs.requested` → a job and its first tasks, or a rejection that names every mistake."""
