"""`payloads.stored` → records in the sinks, the task's end."""
