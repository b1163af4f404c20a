"""`tasks.events` → task states, the next tasks, the end of a job."""
