"""`tasks.events` (waiting) and `tasks.due` → vendor jobs that are done, failed, late; the calls for their results."""
